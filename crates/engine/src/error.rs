//! Everything that can go wrong, said once.
//!
//! Variants are named by what the caller must do about them. A message says what happened, what was kept and what
//! to do next; it never holds a secret, a URL with a query, or another library's error text. [`Error::code`] is the
//! contract with every face of the engine; messages may change.

use std::{collections::BTreeMap, fmt, io};

use crate::time::Timestamp;

/// The result of every call on the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "a field is explained by the message that it stands in")]
pub enum Error {
    /// Correct the named argument. Nothing was written.
    #[error("`{argument}` {problem}")]
    InvalidArgument { argument: String, problem: String },

    /// Remove or correct the named option. Nothing was written.
    #[error("there is no option `{option}`{}", did_you_mean(.nearest))]
    UnknownOption { option: String, nearest: Option<String> },

    /// Ask for a connector that the catalogue has, or add a connector file.
    #[error("there is no connector `{connector}` in the catalogue{}", did_you_mean(.nearest))]
    ConnectorNotFound { connector: String, nearest: Option<String> },

    /// Mend the connector file; the message names file, line and fix.
    #[error("the connector file is refused: {problem}")]
    ConnectorInvalid { problem: String },

    /// Name a connection that exists, or create it.
    #[error("there is no connection `{connection}`{}; create it with `connections.create`, or configure it for a connector of the catalogue", did_you_mean(.nearest))]
    ConnectionNotFound { connection: String, nearest: Option<String> },

    /// Choose another name, or update the connection that has it.
    #[error("a connection `{connection}` exists already and was left as it is; use `connections.update` to change it")]
    ConnectionAlreadyExists { connection: String },

    /// Register an app with the provider and give its credentials.
    #[error("connection `{connection}` has no app credentials yet. Register an OAuth app with {provider} ({docs}) with the redirect URI `{redirect_uri}`, then set {}, or pass `connections: {{ {connection}: {{ clientId, clientSecret }} }}`", .variables.join(" and "))]
    ConnectionNotConfigured {
        connection: String,
        provider: String,
        docs: String,
        redirect_uri: String,
        variables: Vec<String>,
    },

    /// Enable the connection first.
    #[error("connection `{connection}` is disabled; its accounts were kept; enable it with `connections.enable`")]
    ConnectionDisabled { connection: String },

    /// The provider refuses the app's own credentials: correct them. Accounts are kept.
    #[error(
        "the provider of connection `{connection}` refuses the app's credentials ({reason}); every account was kept; correct the client id and secret"
    )]
    ConnectionMisconfigured { connection: String, reason: String },

    /// Make a link for the person, or check the identifier or id.
    #[error(
        "there is no connected account {account}; make one with `getOrCreateConnectedAccount` or `getAuthorizationLink`"
    )]
    ConnectedAccountNotFound { account: String },

    /// Use `getOrCreateConnectedAccount`, or another identifier.
    #[error("`{identifier}` has a connected account on connection `{connection}` already; it was left as it is")]
    ConnectedAccountAlreadyExists { connection: String, identifier: String },

    /// Send the person through an authorization link. They have not consented yet.
    #[error(
        "`{identifier}` has not authorized connection `{connection}` yet; send them a link from `getAuthorizationLink`"
    )]
    AuthorizationRequired { connection: String, identifier: String },

    /// Send the person through an authorization link again. The stored grant no longer works.
    #[error(
        "the authorization of `{identifier}` on connection `{connection}` no longer works ({reason}); send them a new link from `getAuthorizationLink`"
    )]
    ReauthorizationRequired { connection: String, identifier: String, reason: String },

    /// Make a new link: this one never existed, or belongs to another environment.
    #[error("the authorization link is unknown; make a new one with `getAuthorizationLink`")]
    LinkNotFound,

    /// Make a new link: this one is too old.
    #[error("the authorization link has expired; make a new one with `getAuthorizationLink`")]
    LinkExpired,

    /// Make a new link: this one was used.
    #[error("the authorization link was used already; make a new one with `getAuthorizationLink`")]
    LinkUsed,

    /// Start again from a new link: what came back matches no authorization under way in this browser.
    #[error(
        "no authorization is under way that matches what came back; nothing was stored; start again from a new link"
    )]
    FlowNotFound,

    /// Start again from a new link: the person took too long.
    #[error("the authorization took too long and was given up; nothing was stored; start again from a new link")]
    FlowExpired,

    /// The person refused at the provider.
    #[error("the person did not give consent; nothing was stored")]
    ConsentRefused,

    /// Start again; the provider did not complete the authorization.
    #[error(
        "the provider did not complete the authorization ({reason}); nothing was stored; start again from a new link"
    )]
    AuthorizationFailed { reason: String },

    /// The person who consented is not the one the link was made for. What they gave was destroyed.
    #[error("the person who consented is not the one that the link was made for; what they gave was destroyed")]
    UserMismatch,

    /// The person consented with another account of the provider than before.
    #[error(
        "`{identifier}` came back with another account of the provider than before; the stored one was kept; delete the connected account first if the change is meant"
    )]
    IdentityChanged { identifier: String },

    /// Check the credential, and enter it again: the provider does not know it.
    #[error(
        "`{host}` does not accept the credential (status {status}); nothing was stored; check it and enter it again"
    )]
    CredentialRefused { host: String, status: u16 },

    /// Give the credential the permissions that the app needs, or use another. The provider knows it.
    #[error(
        "`{host}` knows the credential, but it lacks a permission (status {status}); nothing was stored; extend its permissions, or use another"
    )]
    PermissionMissing { host: String, status: u16 },

    /// Add the URL to the environment's `userVerifyUrls`, exactly as passed.
    #[error("`userVerifyUrl` is not on the environment's list; add it to `userVerifyUrls`, exactly as it is passed")]
    VerifyUrlNotAllowed,

    /// Decide how users are verified.
    #[error(
        "an environment with the public URL `{public_url}` needs `userVerification`: \"app\" (with `userVerifyUrls`) or \"none\"; nothing was opened"
    )]
    UserVerificationUndecided { public_url: String },

    /// Use what the message names, or another auth method: this version cannot do that.
    #[error("{what} is not supported")]
    NotSupported { what: String },

    /// Ask for a path within the connector's API; nothing was sent.
    #[error("the request was not sent: {problem}")]
    TargetNotAllowed { problem: String },

    /// Try again; the provider could not be reached. Nothing was lost.
    #[error("`{host}` could not be reached ({reason}); nothing was lost; try again")]
    ProviderUnreachable { host: String, reason: String },

    /// Try again later; the provider says that it is busy or broken, or says nothing. What is stored was kept.
    #[error("`{host}` is not answering as it should ({reason}); what is stored was kept; try again later")]
    ProviderUnavailable { host: String, reason: String, retry_at: Option<Timestamp> },

    /// Look at the provider before sending it again: the request arrived, its answer did not.
    #[error(
        "`{host}` got the request, but its answer did not arrive whole ({reason}); it may have acted on it: look there before you send it again"
    )]
    AnswerLost { host: String, reason: String, repeatable: bool },

    /// The provider's answer cannot be used.
    #[error("`{host}` sent an answer that cannot be used ({reason})")]
    ProviderResponseInvalid { host: String, reason: String },

    /// Raise `timeoutMs`, or try again.
    #[error("no answer within {after_ms} ms; what was under way may still take effect")]
    TimedOut { after_ms: u64 },

    /// Give a key: 32 bytes, base64.
    #[error("the key from {origin} cannot be used: {problem}; the store was not touched")]
    KeyInvalid { origin: String, problem: String },

    /// Bring the key back. The store was not touched.
    #[error(
        "the store's key `{expected}` is missing: looked in {looked_in}; put the key file back, set ONBEHALF_KEY or ONBEHALF_KEY_FILE to it, or start with a new store; the store was not touched"
    )]
    KeyMissing { expected: String, looked_in: String },

    /// Bring the right key. The store was not touched.
    #[error(
        "the key from {origin} is not the one this store was sealed with (`{expected}`); give that key, or start with a new store; the store was not touched"
    )]
    KeyMismatch { origin: String, expected: String },

    /// Try again: another program holds the database's lock. Nothing was changed.
    #[error("the store is locked by another program; nothing was changed; try again")]
    StoreBusy,

    /// Make room. Nothing was changed.
    #[error("the disk of the store is full; nothing was changed; make room and try again")]
    StoreFull,

    /// Try again: the database server is away. Whether a call that writes was carried out is seen by reading.
    #[error("the store cannot be reached ({reason}); what was stored before is kept; try again")]
    StoreUnreachable { reason: String },

    /// Make the file, its disk, or the database writable. Nothing was changed.
    #[error(
        "the store `{path}` cannot be written; nothing was changed; mend its permissions, or make its disk writable"
    )]
    StoreReadOnly { path: String },

    /// Restore a backup. Nothing was changed.
    #[error(
        "the store `{path}` is damaged or is no onbehalf store; it was left as it is; restore a backup, or move it away"
    )]
    StoreCorrupt { path: String },

    /// Use a newer onbehalf.
    #[error(
        "the store `{path}` was written by a newer version (schema {found}, this one knows {known}); it was left as it is; update onbehalf"
    )]
    StoreTooNew { path: String, found: u32, known: u32 },

    /// The store failed in another way.
    #[error("the store failed ({reason}); what was stored before is kept")]
    StoreFailed { reason: String },

    /// A row or cell was changed outside onbehalf and is refused.
    #[error(
        "{what} does not match its seal: it was changed outside onbehalf, or a backup was mixed in; it was refused and left as it is"
    )]
    IntegrityFailed { what: String },

    /// Wait until some of them are over.
    #[error("there are {limit} {what}, and no more are allowed; use them or let them expire")]
    LimitReached { what: String, limit: u32 },

    /// Free the port, or choose another.
    #[error(
        "port {port} of this machine is taken by another program; free it, or set `port` (ONBEHALF_PORT) to another and register the redirect URI with it"
    )]
    PortInUse { port: u16 },

    /// Make a new instance; this one was closed.
    #[error("this instance was closed; make a new one")]
    Closed,

    /// A defect of onbehalf. Report it.
    #[error("onbehalf has met a defect of its own ({reason}); nothing that was stored is lost; please report it")]
    Internal { reason: String },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl Error {
    /// An argument that is refused; `problem` completes the sentence that its name begins.
    pub fn invalid(argument: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidArgument { argument: argument.into(), problem: problem.into() }
    }

    /// What is said where the system refuses files, sockets or threads to this process. It ends once some are closed.
    pub fn nothing_to_spare() -> Self {
        let reason = "the system gives this process no more files or threads; close some, or raise its limit \
                      (`ulimit -n`), and try again";
        Self::StoreFailed { reason: reason.into() }
    }

    /// That, where `error` says that this process, or the whole system, has as many files or sockets open as it may.
    pub fn of_too_many(error: &io::Error) -> Option<Self> {
        #[cfg(unix)]
        let codes = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(rustix::io::Errno::raw_os_error);
        // ERROR_TOO_MANY_OPEN_FILES and WSAEMFILE.
        #[cfg(not(unix))]
        let codes = [4, 10024];
        error.raw_os_error().filter(|code| codes.contains(code)).map(|_| Self::nothing_to_spare())
    }

    /// An account that is named by connection and person.
    pub(crate) fn account_not_found(connection: &str, identifier: &str) -> Self {
        Self::ConnectedAccountNotFound { account: format!("of `{identifier}` on connection `{connection}`") }
    }

    /// A host that only this machine should reach.
    pub(crate) fn private_address(host: &str) -> Self {
        let problem = format!("`{host}` has a private or reserved address, which only a loopback environment may call");
        Self::TargetNotAllowed { problem }
    }

    /// Whether nothing is known of what was to be stored, because the store or this program failed: what is in hand must
    /// be kept.
    pub(crate) fn is_of_store(&self) -> bool {
        self.code().starts_with("STORE_")
            || matches!(self, Self::Closed | Self::Internal { .. } | Self::IntegrityFailed { .. })
    }

    /// Whether it is the developer's set-up that cannot be read at present: what is in hand must be kept until it can.
    pub(crate) fn is_of_setup(&self) -> bool {
        matches!(
            self,
            Self::ConnectorNotFound { .. } | Self::ConnectorInvalid { .. } | Self::ConnectionNotConfigured { .. }
        )
    }

    /// An option that does not exist; `known` are those that do, for the nearest of them.
    pub fn unknown_option<'a>(option: impl Into<String>, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self::UnknownOption { option: option.into(), nearest: nearest(name, known) }
    }

    /// The stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidArgument { .. } => "INVALID_ARGUMENT",
            Self::UnknownOption { .. } => "UNKNOWN_OPTION",
            Self::ConnectorNotFound { .. } => "CONNECTOR_NOT_FOUND",
            Self::ConnectorInvalid { .. } => "CONNECTOR_INVALID",
            Self::ConnectionNotFound { .. } => "CONNECTION_NOT_FOUND",
            Self::ConnectionAlreadyExists { .. } => "CONNECTION_ALREADY_EXISTS",
            Self::ConnectionNotConfigured { .. } => "CONNECTION_NOT_CONFIGURED",
            Self::ConnectionDisabled { .. } => "CONNECTION_DISABLED",
            Self::ConnectionMisconfigured { .. } => "CONNECTION_MISCONFIGURED",
            Self::ConnectedAccountNotFound { .. } => "CONNECTED_ACCOUNT_NOT_FOUND",
            Self::ConnectedAccountAlreadyExists { .. } => "CONNECTED_ACCOUNT_ALREADY_EXISTS",
            Self::AuthorizationRequired { .. } => "AUTHORIZATION_REQUIRED",
            Self::ReauthorizationRequired { .. } => "REAUTHORIZATION_REQUIRED",
            Self::LinkNotFound => "LINK_NOT_FOUND",
            Self::LinkExpired => "LINK_EXPIRED",
            Self::LinkUsed => "LINK_USED",
            Self::FlowNotFound => "FLOW_NOT_FOUND",
            Self::FlowExpired => "FLOW_EXPIRED",
            Self::ConsentRefused => "CONSENT_REFUSED",
            Self::AuthorizationFailed { .. } => "AUTHORIZATION_FAILED",
            Self::UserMismatch => "USER_MISMATCH",
            Self::IdentityChanged { .. } => "IDENTITY_CHANGED",
            Self::CredentialRefused { .. } => "CREDENTIAL_REFUSED",
            Self::PermissionMissing { .. } => "PERMISSION_MISSING",
            Self::VerifyUrlNotAllowed => "VERIFY_URL_NOT_ALLOWED",
            Self::UserVerificationUndecided { .. } => "USER_VERIFICATION_UNDECIDED",
            Self::NotSupported { .. } => "NOT_SUPPORTED",
            Self::TargetNotAllowed { .. } => "TARGET_NOT_ALLOWED",
            Self::ProviderUnreachable { .. } => "PROVIDER_UNREACHABLE",
            Self::ProviderUnavailable { .. } => "PROVIDER_UNAVAILABLE",
            Self::AnswerLost { .. } => "ANSWER_LOST",
            Self::ProviderResponseInvalid { .. } => "PROVIDER_RESPONSE_INVALID",
            Self::TimedOut { .. } => "TIMED_OUT",
            Self::KeyInvalid { .. } => "KEY_INVALID",
            Self::KeyMissing { .. } => "KEY_MISSING",
            Self::KeyMismatch { .. } => "KEY_MISMATCH",
            Self::StoreBusy => "STORE_BUSY",
            Self::StoreFull => "STORE_FULL",
            Self::StoreUnreachable { .. } => "STORE_UNREACHABLE",
            Self::StoreReadOnly { .. } => "STORE_READ_ONLY",
            Self::StoreCorrupt { .. } => "STORE_CORRUPT",
            Self::StoreTooNew { .. } => "STORE_TOO_NEW",
            Self::StoreFailed { .. } => "STORE_FAILED",
            Self::IntegrityFailed { .. } => "INTEGRITY_FAILED",
            Self::LimitReached { .. } => "LIMIT_REACHED",
            Self::PortInUse { .. } => "PORT_IN_USE",
            Self::Closed => "CLOSED",
            Self::Internal { .. } => "INTERNAL",
        }
    }

    /// Whether the same call may succeed later without anyone changing anything.
    pub fn retryable(&self) -> bool {
        match self {
            Self::AnswerLost { repeatable, .. } => *repeatable,
            Self::LimitReached { .. }
            | Self::ProviderUnreachable { .. }
            | Self::ProviderUnavailable { .. }
            | Self::StoreBusy
            | Self::StoreFull
            | Self::StoreUnreachable { .. } => true,
            _ => false,
        }
    }

    /// The facts of the message, for programs.
    pub fn details(&self) -> BTreeMap<&'static str, String> {
        let mut details = BTreeMap::new();
        let mut put = |name, value: &dyn fmt::Display| {
            details.insert(name, value.to_string());
        };
        match self {
            Self::InvalidArgument { argument, .. } => put("argument", argument),
            Self::UnknownOption { option, nearest } => {
                put("option", option);
                if let Some(nearest) = nearest {
                    put("nearest", nearest);
                }
            }
            Self::ConnectorNotFound { connector, .. } => put("connector", connector),
            Self::ConnectionNotConfigured { connection, docs, redirect_uri, variables, .. } => {
                put("connectionName", connection);
                put("docs", docs);
                put("redirectUri", redirect_uri);
                put("variables", &variables.join(" "));
            }
            Self::ConnectionNotFound { connection, .. }
            | Self::ConnectionAlreadyExists { connection }
            | Self::ConnectionDisabled { connection } => put("connectionName", connection),
            Self::ConnectionMisconfigured { connection, reason } => {
                put("connectionName", connection);
                put("reason", reason);
            }
            Self::ConnectedAccountNotFound { account } => put("account", account),
            Self::ConnectedAccountAlreadyExists { connection, identifier }
            | Self::AuthorizationRequired { connection, identifier } => {
                put("connectionName", connection);
                put("identifier", identifier);
            }
            Self::ReauthorizationRequired { connection, identifier, reason } => {
                put("connectionName", connection);
                put("identifier", identifier);
                put("reason", reason);
            }
            Self::AuthorizationFailed { reason } | Self::StoreUnreachable { reason } | Self::StoreFailed { reason } => {
                put("reason", reason)
            }
            Self::IdentityChanged { identifier } => put("identifier", identifier),
            Self::CredentialRefused { host, status } | Self::PermissionMissing { host, status } => {
                put("host", host);
                put("status", status);
            }
            Self::ProviderUnreachable { host, reason }
            | Self::ProviderResponseInvalid { host, reason }
            | Self::AnswerLost { host, reason, .. } => {
                put("host", host);
                put("reason", reason);
            }
            Self::ProviderUnavailable { host, reason, retry_at } => {
                put("host", host);
                put("reason", reason);
                if let Some(at) = retry_at {
                    put("retryAt", &at.as_millis());
                }
            }
            Self::TimedOut { after_ms } => put("afterMs", after_ms),
            Self::KeyMissing { expected, .. } | Self::KeyMismatch { expected, .. } => put("keyId", expected),
            Self::StoreReadOnly { path } | Self::StoreCorrupt { path } => put("path", path),
            Self::StoreTooNew { path, found, known } => {
                put("path", path);
                put("found", found);
                put("known", known);
            }
            Self::LimitReached { limit, .. } => put("limit", limit),
            Self::PortInUse { port } => put("port", port),
            Self::UserVerificationUndecided { public_url } => put("publicUrl", public_url),
            Self::ConnectorInvalid { .. }
            | Self::LinkNotFound
            | Self::LinkExpired
            | Self::LinkUsed
            | Self::FlowNotFound
            | Self::FlowExpired
            | Self::ConsentRefused
            | Self::UserMismatch
            | Self::VerifyUrlNotAllowed
            | Self::NotSupported { .. }
            | Self::TargetNotAllowed { .. }
            | Self::KeyInvalid { .. }
            | Self::StoreBusy
            | Self::StoreFull
            | Self::IntegrityFailed { .. }
            | Self::Closed
            | Self::Internal { .. } => {}
        }
        details
    }
}

/// The one of `known` that a person who wrote `name` may have meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}
