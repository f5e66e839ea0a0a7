//! `onbehalf.audit`: what was done, and the proof that the record of it is whole.

use std::sync::Arc;

use napi::{
    Env, Result,
    bindgen_prelude::{PromiseRaw, Unknown},
};
use napi_derive::napi;

use crate::{
    answers::{AuditCheckpoint, AuditList, AuditTail},
    asked::{AuditProof, AuditQuery, AuditRest},
    call::call,
    instance::Instance,
    options::{AuditListOptions, AuditTailOptions, AuditVerifyOptions},
};

/// What was done for whom, and what came of it. Every record was stored together with what it tells of.
#[napi]
pub struct Audit {
    instance: Arc<Instance>,
}

impl Audit {
    pub(crate) fn of(instance: &Arc<Instance>) -> Self {
        Self { instance: instance.clone() }
    }
}

#[napi]
impl Audit {
    /// An organization's records, page by page, the oldest first.
    #[napi(ts_args_type = "options?: AuditListOptions & CallOptions", ts_return_type = "Promise<AuditList>")]
    pub fn list<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, AuditList>> {
        call::<AuditListOptions, _, _, _, _>(env, &self.instance, options, |engine, query: AuditQuery| async move {
            engine.records(&query.organization, query.page_size, query.page_token.as_deref()).await
        })
    }

    /// The records of all organizations that follow one of them: to ship them elsewhere, as JSON lines for example, and to
    /// go on where that stopped.
    ///
    /// ```ts
    /// let after = 0
    /// for (;;) {
    ///   const { records } = await onbehalf.audit.tail({ after })
    ///   if (records.length === 0) break
    ///   for (const record of records) file.write(`${JSON.stringify(record)}\n`)
    ///   after = records.at(-1)!.number
    /// }
    /// ```
    #[napi(ts_args_type = "options?: AuditTailOptions & CallOptions", ts_return_type = "Promise<AuditTail>")]
    pub fn tail<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, AuditTail>> {
        call::<AuditTailOptions, _, _, _, _>(env, &self.instance, options, |engine, rest: AuditRest| async move {
            engine.records_after(rest.after, rest.limit).await
        })
    }

    /// Reads all records and proves that each is as it was written, that none is missing, and that none was put in or
    /// moved; rejects with `INTEGRITY_FAILED` otherwise, and says where. Keep what it resolves with somewhere else, and
    /// pass it as `since` the next time: then a store that was rolled back, or written anew, is found too.
    #[napi(ts_args_type = "options?: AuditVerifyOptions & CallOptions", ts_return_type = "Promise<AuditCheckpoint>")]
    pub fn verify<'env>(&self, env: &'env Env, options: Unknown<'_>) -> Result<PromiseRaw<'env, AuditCheckpoint>> {
        call::<AuditVerifyOptions, _, _, _, _>(env, &self.instance, options, |engine, proof: AuditProof| async move {
            engine.verify_records(proof.since.as_ref()).await
        })
    }
}
