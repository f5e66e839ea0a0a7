//! The labels of metrics: sets that are closed, and small.

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;

use crate::{Error, oauth::outcome::Outcome};

/// A connector of the catalogue, by its slug.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct At {
    pub(super) connector: String,
}

/// The same, and what something came to there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Ended {
    pub(super) connector: String,
    pub(super) outcome: &'static str,
}

/// What something came to: a word of ours, or an error's code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Told {
    pub(super) outcome: &'static str,
}

/// How something is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct State {
    pub(super) state: &'static str,
}

/// An account's status, as the wire names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Status {
    pub(super) status: &'static str,
}

/// What a refresh's token request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// Tokens are stored.
    Refreshed,
    /// The provider ended the grant, for all that can be told: the person must authorize again.
    Ended,
    /// The provider said so, and is asked once more before it is believed.
    Refused,
    /// The provider refuses the app.
    Misconfigured,
    /// It refuses one of the app's secrets; another is tried.
    OtherSecret,
    /// The provider is busy or broken, and says so.
    Unavailable,
    /// Of the answer nothing was of use but a refresh token, which is stored.
    Salvaged,
    /// It was refused in words that prove nothing.
    Unproven,
    /// The answer cannot be used.
    Unusable,
    /// The request left, and no answer came.
    Unanswered,
    /// The provider was not reached.
    Unreachable,
    /// It was not sent: the store could not take note of it, or what it needs is missing.
    Unsent,
}

impl Refresh {
    pub(super) const ALL: [(Self, &str); 12] = [
        (Self::Refreshed, "refreshed"),
        (Self::Ended, "ended"),
        (Self::Refused, "refused"),
        (Self::Misconfigured, "misconfigured"),
        (Self::OtherSecret, "other_secret"),
        (Self::Unavailable, "unavailable"),
        (Self::Salvaged, "salvaged"),
        (Self::Unproven, "unproven"),
        (Self::Unusable, "unusable"),
        (Self::Unanswered, "unanswered"),
        (Self::Unreachable, "unreachable"),
        (Self::Unsent, "unsent"),
    ];

    /// What this answer is, before anything was done about it.
    pub(crate) fn of(outcome: &Outcome, status: StatusCode) -> Self {
        match outcome {
            Outcome::Ok(_) => Self::Refreshed,
            Outcome::Definitive { .. } => Self::Refused,
            Outcome::ClientBad { .. } => Self::Misconfigured,
            Outcome::Transient { .. } => Self::Unavailable,
            Outcome::Unknown { salvaged: Some(_), .. } => Self::Salvaged,
            Outcome::Unknown { salvaged: None, .. } if status.is_client_error() => Self::Unproven,
            Outcome::Unknown { salvaged: None, .. } => Self::Unusable,
        }
    }

    /// A request without an answer.
    pub(crate) fn without_answer(error: &Error) -> Self {
        match error {
            Error::ProviderUnavailable { .. } | Error::ProviderResponseInvalid { .. } => Self::Unanswered,
            Error::ProviderUnreachable { .. } => Self::Unreachable,
            _ => Self::Unsent,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(refresh, _)| *refresh == self).map_or("unsent", |(_, name)| name)
    }
}

/// The class of an answer's status.
pub(super) fn class(status: u16) -> &'static str {
    match status {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500..600 => "5xx",
        _ => "other",
    }
}
