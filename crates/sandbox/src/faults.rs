//! What a test makes go wrong: the next request fails, waits, or loses its answer.
//!
//! A request takes, of the faults that concern its path, the first that delays it and the first that spoils it.

use std::{collections::VecDeque, time::Duration};

use http::StatusCode;
use onbehalf_engine::{Error, Result};
use tokio_util::sync::CancellationToken;

/// What goes wrong, where, and how often.
#[derive(Debug)]
pub struct Fault {
    /// The requests that it concerns, such as `/token`; every one unless given.
    pub path: Option<String>,
    /// How many of them; at least one.
    pub times: u32,
    /// What happens to them.
    pub effect: Effect,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Effect {
    /// It takes longer.
    Delay(Delay),
    /// It does not come to a good end.
    Spoil(Spoil),
}

/// How long a request takes.
#[derive(Debug, Clone)]
pub enum Delay {
    /// So much of real time.
    For(Duration),
    /// Until it is let go.
    Held(Held),
}

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// With this status; nothing else comes of it.
    Status {
        /// The status.
        status: StatusCode,
        /// Seconds, for `Retry-After`.
        retry_after: Option<u64>,
    },
    /// Without an answer, though the provider has done what it was asked.
    AnswerLost,
    /// With the head and the first half of the answer, though the provider has done what it was asked.
    AnswerCut,
}

/// A request that waits until a test lets it go.
#[derive(Debug, Clone)]
pub struct Held {
    arrived: CancellationToken,
    released: CancellationToken,
    closing: CancellationToken,
}

impl Held {
    /// One that is let go at the latest when `closing` is cancelled.
    pub(crate) fn until(closing: &CancellationToken) -> Self {
        Self { arrived: CancellationToken::new(), released: closing.child_token(), closing: closing.clone() }
    }

    /// Waits until a request is held here.
    ///
    /// # Errors
    /// `CLOSED`, where the sandbox closes before one is.
    pub async fn arrived(&self) -> Result<()> {
        tokio::select! {
            biased;
            () = self.arrived.cancelled() => Ok(()),
            () = self.closing.cancelled() => Err(Error::Closed),
        }
    }

    /// Lets the request go on, and those that would still be held.
    pub fn release(&self) {
        self.released.cancel();
    }
}

impl Delay {
    /// Lets the time pass.
    pub(crate) async fn pass(self) {
        match self {
            Self::For(duration) => tokio::time::sleep(duration).await,
            Self::Held(held) => {
                held.arrived.cancel();
                held.released.cancelled().await;
            }
        }
    }
}

/// The faults that wait for a request.
#[derive(Debug, Default)]
pub(crate) struct Faults(VecDeque<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push_back(fault);
    }

    /// What happens to a request of this path.
    pub(crate) fn meet(&mut self, path: &str) -> (Option<Delay>, Option<Spoil>) {
        let (mut delay, mut spoil) = (None, None);
        for fault in &mut self.0 {
            if fault.path.as_ref().is_some_and(|wanted| wanted != path) {
                continue;
            }
            match &fault.effect {
                Effect::Delay(found) if delay.is_none() => delay = Some(found.clone()),
                Effect::Spoil(found) if spoil.is_none() => spoil = Some(*found),
                _ => continue,
            }
            fault.times -= 1;
        }
        self.0.retain(|fault| fault.times > 0);
        (delay, spoil)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Effect {
        Effect::Spoil(Spoil::Status { status: StatusCode::from_u16(status).unwrap(), retry_after: None })
    }

    fn met(faults: &mut Faults, path: &str) -> Option<u16> {
        match faults.meet(path).1 {
            Some(Spoil::Status { status, .. }) => Some(status.as_u16()),
            _ => None,
        }
    }

    #[test]
    fn faults_are_met_in_order_on_their_path_and_as_often_as_said() {
        let mut faults = Faults::default();
        faults.add(Fault { path: Some("/token".into()), times: 2, effect: status(503) });
        faults.add(Fault { path: None, times: 1, effect: status(500) });
        let seen = ["/token", "/me", "/me", "/token", "/token"].map(|path| met(&mut faults, path));
        assert_eq!(seen, [Some(503), Some(500), None, Some(503), None]);
    }

    #[test]
    fn a_request_can_be_both_late_and_spoiled() {
        let mut faults = Faults::default();
        faults.add(Fault { path: None, times: 1, effect: status(500) });
        faults.add(Fault { path: None, times: 1, effect: Effect::Delay(Delay::For(Duration::ZERO)) });
        assert!(matches!(faults.meet("/me"), (Some(Delay::For(_)), Some(Spoil::Status { .. }))));
        assert!(matches!(faults.meet("/me"), (None, None)));
    }
}
