//! What an environment may decide about refreshing.

use std::time::Duration;

use crate::{Error, Result};

/// How tokens are kept fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshSettings {
    /// Whether tokens are refreshed when they are due, though nobody asks for them. Without it, a call for the account
    /// refreshes it; a refresh token that ends when it is not used for long may then end.
    pub background: bool,
    /// How long a token request may take, and how long others keep away meanwhile.
    pub timing: Timing,
}

impl Default for RefreshSettings {
    fn default() -> Self {
        Self { background: true, timing: Timing::default() }
    }
}

/// How long one token request may take. No two may be under way for an account, whatever becomes of their processes: so
/// each of these is longer than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// When a request is given up. Long on purpose: whoever gives up after the refresh token has left cannot know what
    /// the provider made of it.
    pub request: Duration,
    /// When nothing of a request that was given up is on its way any longer.
    pub network: Duration,
    /// When another process may ask in place of one that is gone.
    pub lease: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let [request, network, lease] = [90, 95, 110].map(Duration::from_secs);
        Self { request, network, lease }
    }
}

impl Timing {
    /// Refuses times that would let two requests for one account overlap.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub(crate) fn check(&self) -> Result<()> {
        let ordered = Duration::ZERO < self.request && self.request < self.network && self.network < self.lease;
        let problem = "must give a lease longer than the network's bound, and that longer than a request";
        if ordered { Ok(()) } else { Err(Error::invalid("refresh.timing", problem)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlives_what_the_network_may_still_carry() {
        Timing::default().check().unwrap();
        let timing = |[request, network, lease]: [u64; 3]| Timing {
            request: Duration::from_secs(request),
            network: Duration::from_secs(network),
            lease: Duration::from_secs(lease),
        };
        timing([1, 2, 3]).check().unwrap();
        for wrong in [[0, 1, 2], [2, 2, 3], [1, 3, 3], [3, 2, 4], [1, 4, 3]] {
            assert_eq!(timing(wrong).check().unwrap_err().code(), "INVALID_ARGUMENT", "{wrong:?}");
        }
    }
}
