//! A request's body on its way from JavaScript: `streams.js` writes what a source yields.
//!
//! Nothing here is exported from the package.

use std::cell::Cell;

use bytes::Bytes;
use napi::{
    Env, Result, Unknown,
    bindgen_prelude::{External, PromiseRaw, Uint8Array},
};
use napi_derive::napi;
use onbehalf_engine::{
    Error,
    proxy::{Upload, Writer, upload},
};

use crate::{
    actions::Actions,
    call::attempt,
    promise::{Abandoned, Patience, promise},
    response::ApiResponse,
};

/// A body that is written while it is sent.
pub struct BodyWriter {
    writer: Writer,
    /// Until a request takes it.
    body: Cell<Option<Upload>>,
}

impl BodyWriter {
    /// What is written, for the one request that sends it.
    pub(crate) fn take(&self) -> Option<Upload> {
        self.body.take()
    }
}

/// A body of so many bytes of that type, where its source knows.
#[napi(skip_typescript)]
pub fn open_writer(length: Option<f64>, media_type: Option<String>) -> External<BodyWriter> {
    let (writer, mut body) = upload();
    if let Some(length) = length {
        body = body.with_length(length as u64);
    }
    if let Some(media_type) = media_type {
        body = body.with_media_type(&media_type);
    }
    External::new(BodyWriter { writer, body: Cell::new(Some(body)) })
}

/// Resolves when there is room for more: with `false` when no more is wanted. The bytes are copied: what JavaScript does
/// to them later changes nothing.
#[napi(skip_typescript)]
pub fn write_chunk<'env>(
    env: &'env Env,
    body: &External<BodyWriter>,
    bytes: Uint8Array,
) -> Result<PromiseRaw<'env, bool>> {
    let (writer, chunk) = (body.writer.clone(), Bytes::copy_from_slice(&bytes));
    attempt(env, || promise(env, Patience::endless(), Abandoned::Stops, async move { Ok(writer.write(chunk).await) }))
}

/// Says that this was all.
#[napi(skip_typescript)]
pub fn end_body<'env>(env: &'env Env, body: &External<BodyWriter>) -> Result<PromiseRaw<'env, ()>> {
    let writer = body.writer.clone();
    let ended = async move {
        writer.end().await;
        Ok(())
    };
    attempt(env, || promise(env, Patience::endless(), Abandoned::Stops, ended))
}

/// Breaks the request off; `problem` completes a sentence about its body.
#[napi(skip_typescript)]
pub fn fail_body(body: &External<BodyWriter>, problem: String) {
    body.writer.fail(Error::invalid("body", problem));
}

/// `request` with such a body, or with none.
#[napi(skip_typescript)]
pub fn send_request<'env>(
    env: &'env Env,
    actions: &Actions,
    options: Unknown<'_>,
    body: Option<&External<BodyWriter>>,
) -> Result<PromiseRaw<'env, ApiResponse>> {
    actions.send(env, options, body.map(|body| &**body))
}
