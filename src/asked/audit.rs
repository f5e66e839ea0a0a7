//! From the options of `onbehalf.audit` to what the engine is asked.

use onbehalf_engine::{Error, Result, audit::Checkpoint, names::Organization};

use super::organization;
use crate::options::{AuditListOptions, AuditTailOptions, AuditVerifyOptions};

/// A page of records.
pub(crate) struct AuditQuery {
    pub(crate) organization: Organization,
    pub(crate) page_size: Option<u32>,
    pub(crate) page_token: Option<String>,
}

/// Records that follow a number.
pub(crate) struct AuditRest {
    pub(crate) after: u64,
    pub(crate) limit: Option<u32>,
}

/// What is to be proved of the records.
pub(crate) struct AuditProof {
    pub(crate) since: Option<Checkpoint>,
}

impl TryFrom<AuditListOptions> for AuditQuery {
    type Error = Error;

    fn try_from(options: AuditListOptions) -> Result<Self> {
        Ok(Self {
            organization: organization(options.organization_id)?,
            page_size: options.page_size,
            page_token: options.page_token,
        })
    }
}

impl TryFrom<AuditTailOptions> for AuditRest {
    type Error = Error;

    fn try_from(options: AuditTailOptions) -> Result<Self> {
        Ok(Self { after: count("after", options.after.unwrap_or_default())?, limit: options.limit })
    }
}

impl TryFrom<AuditVerifyOptions> for AuditProof {
    type Error = Error;

    fn try_from(options: AuditVerifyOptions) -> Result<Self> {
        let Some(since) = options.since else { return Ok(Self { since: None }) };
        let number = count("since.number", since.number)?;
        Ok(Self { since: Some(Checkpoint { number, link: since.link }) })
    }
}

fn count(name: &str, number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| Error::invalid(name, "must be 0 or more"))
}
