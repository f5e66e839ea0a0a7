//! What `testing.js` passes, and what it means. Typed for its users in `testing.d.ts`.

use std::time::Duration;

use http::{Method, StatusCode};
use onbehalf_engine::{
    Error, Result,
    accounts::{AccountBy, AccountRef},
    names::{ConnectionName, Identifier},
    secret::Secret,
};
use onbehalf_sandbox::{
    CONNECTOR, Consent, Reply,
    faults::{Delay, Effect, Fault, Spoil},
};
use serde::{Deserialize, Deserializer};

use crate::asked::organization;

/// A person to connect, and what they decide.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ConnectOptions {
    identifier: String,
    connection_name: Option<String>,
    organization_id: Option<String>,
    user: Option<String>,
    scopes: Option<Vec<String>>,
}

/// A link, and what the person decides.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GrantOptions {
    link: String,
    user: Option<String>,
    scopes: Option<Vec<String>>,
}

/// A link.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DenyOptions {
    link: String,
}

/// A link, and what is entered in its form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SubmitOptions {
    link: String,
    key: Secret,
}

/// One account, or every one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WhoseOptions {
    identifier: Option<String>,
    connection_name: Option<String>,
    organization_id: Option<String>,
}

/// One account, or every one, and the scopes that it keeps.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NarrowOptions {
    identifier: Option<String>,
    connection_name: Option<String>,
    organization_id: Option<String>,
    scopes: Vec<String>,
}

/// A key to make.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyOptions {
    pub(super) user: Option<String>,
    pub(super) permissions: Option<Vec<String>>,
}

/// A status to fail with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FailOptions {
    path: Option<String>,
    times: Option<u32>,
    status: u16,
    retry_after: Option<u64>,
}

/// A time to take.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SlowOptions {
    path: Option<String>,
    times: Option<u32>,
    milliseconds: f64,
}

/// A request to hold.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HoldOptions {
    pub(super) path: Option<String>,
}

/// Answers to lose.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DropOptions {
    path: Option<String>,
    times: Option<u32>,
    #[serde(default)]
    partway: bool,
}

/// An answer to give.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReplyOptions {
    method: Option<String>,
    path: String,
    status: Option<u16>,
    scope: Option<String>,
    #[serde(default, deserialize_with = "given")]
    body: Option<serde_json::Value>,
}

/// Time to pass: the sum of its parts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct AdvanceOptions {
    days: f64,
    hours: f64,
    minutes: f64,
    seconds: f64,
    milliseconds: f64,
}

/// A person to connect.
pub(super) struct Connect {
    pub(super) account: AccountRef,
    pub(super) consent: Consent,
}

impl TryFrom<ConnectOptions> for Connect {
    type Error = Error;

    fn try_from(options: ConnectOptions) -> Result<Self> {
        Ok(Self {
            account: account(options.identifier, options.connection_name, options.organization_id)?,
            consent: Consent { user: options.user, scopes: options.scopes },
        })
    }
}

/// A link that is followed.
pub(super) struct Follow {
    pub(super) link: String,
    pub(super) consent: Consent,
}

impl TryFrom<GrantOptions> for Follow {
    type Error = Error;

    fn try_from(options: GrantOptions) -> Result<Self> {
        Ok(Self { link: options.link, consent: Consent { user: options.user, scopes: options.scopes } })
    }
}

impl TryFrom<DenyOptions> for Follow {
    type Error = Error;

    fn try_from(options: DenyOptions) -> Result<Self> {
        Ok(Self { link: options.link, consent: Consent::default() })
    }
}

/// A link whose form is filled in.
pub(super) struct Submit {
    pub(super) link: String,
    pub(super) key: Secret,
}

impl TryFrom<SubmitOptions> for Submit {
    type Error = Error;

    fn try_from(SubmitOptions { link, key }: SubmitOptions) -> Result<Self> {
        Ok(Self { link, key })
    }
}

/// One account, or every one, and what it keeps.
pub(super) struct Whose {
    pub(super) account: Option<AccountRef>,
    pub(super) scopes: Vec<String>,
}

impl TryFrom<WhoseOptions> for Whose {
    type Error = Error;

    fn try_from(options: WhoseOptions) -> Result<Self> {
        let WhoseOptions { identifier, connection_name, organization_id } = options;
        NarrowOptions { identifier, connection_name, organization_id, scopes: Vec::new() }.try_into()
    }
}

impl TryFrom<NarrowOptions> for Whose {
    type Error = Error;

    fn try_from(options: NarrowOptions) -> Result<Self> {
        let account = match (options.identifier, options.connection_name, options.organization_id) {
            (None, None, None) => None,
            (None, ..) => {
                return Err(Error::invalid("identifier", "is required beside `connectionName` or `organizationId`"));
            }
            (Some(identifier), connection, organization) => Some(account(identifier, connection, organization)?),
        };
        Ok(Self { account, scopes: options.scopes })
    }
}

impl TryFrom<FailOptions> for Fault {
    type Error = Error;

    fn try_from(options: FailOptions) -> Result<Self> {
        let status = StatusCode::from_u16(options.status).ok();
        let status = status.filter(|status| status.is_client_error() || status.is_server_error());
        let status = status.ok_or_else(|| Error::invalid("status", "must be from 400 to 599"))?;
        let effect = Effect::Spoil(Spoil::Status { status, retry_after: options.retry_after });
        Ok(fault(options.path, options.times, effect))
    }
}

impl TryFrom<SlowOptions> for Fault {
    type Error = Error;

    fn try_from(options: SlowOptions) -> Result<Self> {
        let effect = Effect::Delay(Delay::For(milliseconds("milliseconds", options.milliseconds)?));
        Ok(fault(options.path, options.times, effect))
    }
}

impl TryFrom<DropOptions> for Fault {
    type Error = Error;

    fn try_from(options: DropOptions) -> Result<Self> {
        let spoil = if options.partway { Spoil::AnswerCut } else { Spoil::AnswerLost };
        Ok(fault(options.path, options.times, Effect::Spoil(spoil)))
    }
}

impl TryFrom<ReplyOptions> for Reply {
    type Error = Error;

    fn try_from(options: ReplyOptions) -> Result<Self> {
        let method =
            options.method.map(|method| Method::from_bytes(method.to_ascii_uppercase().as_bytes())).transpose();
        let status = StatusCode::from_u16(options.status.unwrap_or(200)).ok();
        let status = status.filter(|status| !status.is_informational() && status.as_u16() < 600);
        Ok(Self {
            method: method.map_err(|_| Error::invalid("method", "must be an HTTP method, such as `GET`"))?,
            path: options.path,
            status: status.ok_or_else(|| Error::invalid("status", "must be from 200 to 599"))?,
            body: options.body,
            scope: options.scope,
        })
    }
}

impl TryFrom<AdvanceOptions> for Duration {
    type Error = Error;

    fn try_from(options: AdvanceOptions) -> Result<Self> {
        let parts = [
            ("days", options.days, 86_400_000.0),
            ("hours", options.hours, 3_600_000.0),
            ("minutes", options.minutes, 60_000.0),
            ("seconds", options.seconds, 1000.0),
            ("milliseconds", options.milliseconds, 1.0),
        ];
        parts.into_iter().try_fold(Self::ZERO, |total, (name, count, unit)| {
            Ok(total.saturating_add(milliseconds(name, count * unit)?))
        })
    }
}

/// A value that is there, be it `null`.
fn given<'de, D: Deserializer<'de>>(body: D) -> std::result::Result<Option<serde_json::Value>, D::Error> {
    Deserialize::deserialize(body).map(Some)
}

fn account(identifier: String, connection: Option<String>, tenant: Option<String>) -> Result<AccountRef> {
    let connection = ConnectionName::parse(connection.as_deref().unwrap_or(CONNECTOR))?;
    let by = AccountBy::Name { connection, identifier: Identifier::parse(&identifier)? };
    Ok(AccountRef { organization: organization(tenant)?, by })
}

fn fault(path: Option<String>, times: Option<u32>, effect: Effect) -> Fault {
    Fault { path, times: times.unwrap_or(1), effect }
}

fn milliseconds(name: &str, count: f64) -> Result<Duration> {
    let duration = Duration::try_from_secs_f64(count / 1000.0).ok().filter(|duration| *duration <= CENTURY);
    duration.ok_or_else(|| Error::invalid(name, "must be zero or more, and a century at most"))
}

const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);
