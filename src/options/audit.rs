//! What the calls of `onbehalf.audit` are asked with.

use napi_derive::napi;
use serde::Deserialize;

/// Which page of an organization's records to list.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuditListOptions {
    /// The tenant of your app, where it has several.
    pub organization_id: Option<String>,
    /// 1 to 100.
    /// @default 30
    pub page_size: Option<u32>,
    /// `nextPageToken` of the page before.
    pub page_token: Option<String>,
}

/// From where on to read the records of all organizations.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuditTailOptions {
    /// The `number` of the last record that is known already.
    /// @default 0
    pub after: Option<i64>,
    /// 1 to 1000.
    /// @default 100
    pub limit: Option<u32>,
}

/// What the records must go through.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuditVerifyOptions {
    /// What an earlier call resolved with.
    pub since: Option<AuditSinceOptions>,
}

/// A place in the chain of records that is known from an earlier call.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditSinceOptions {
    /// How many records there were.
    pub number: i64,
    /// What tied the last one to all before it.
    pub link: String,
}
