//! What an operator watches: counts, times and sizes of one engine, as text that Prometheus reads.
//!
//! Each engine has a registry of its own. The rooms count where something is decided ([`Metrics`] has a call for each of
//! them), which costs a few atomic operations and no waiting; what can be looked up instead is looked up when somebody
//! reads ([`Engine::metrics`]). Labels are of closed sets: a connector's slug, a word of ours, an error's code. None says
//! whose account it was, what was asked of the provider, or with what.

mod labels;
#[cfg(test)]
mod tests;

use std::time::Duration;

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

pub(crate) use self::labels::Refresh;
use self::labels::{At, Ended, State, Status, Told, class};
use crate::{
    Engine, Error, Result,
    store::{Commit, Pool},
};

/// The media type of [`Engine::metrics`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds: of what a database does, of what a provider's API does, and of what may be late by hours.
const OF_A_COMMIT: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];
const OF_A_CALL: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const OF_BEING_LATE: [f64; 9] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];

/// What one engine counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    links: Family<At, Counter>,
    flows: Family<Told, Counter>,
    accounts: Family<Status, Counter>,
    refreshes: Family<Ended, Counter>,
    lateness: Histogram,
    calls: Family<Ended, Counter>,
    call_times: Family<At, Histogram, fn() -> Histogram>,
    revocations: Family<State, Counter>,
    commits: Family<Told, Counter>,
    commit_time: Histogram,
    flights: Gauge,
    kept: Gauge,
    left_alone: Gauge,
    pool: Option<PoolGauges>,
}

/// What is known of a pool of connections.
#[derive(Debug, Default)]
struct PoolGauges {
    connections: Family<State, Gauge>,
    most: Gauge,
    waiting: Gauge,
}

impl Metrics {
    /// Of an engine with nothing counted yet; with a pool of connections, where its store has one.
    pub(crate) fn new(has_pool: bool) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("onbehalf"),
            links: Family::default(),
            flows: Family::default(),
            accounts: Family::default(),
            refreshes: Family::default(),
            lateness: Histogram::new(OF_BEING_LATE),
            calls: Family::default(),
            call_times: Family::new_with_constructor(|| Histogram::new(OF_A_CALL)),
            revocations: Family::default(),
            commits: Family::default(),
            commit_time: Histogram::new(OF_A_COMMIT),
            flights: Gauge::default(),
            kept: Gauge::default(),
            left_alone: Gauge::default(),
            pool: has_pool.then(PoolGauges::default),
        };
        metrics.register_counts();
        metrics.register_sizes();
        metrics
    }

    fn register_counts(&mut self) {
        let registry = &mut self.registry;
        registry.register("links", "Authorization links made", self.links.clone());
        registry.register("flows", "Flows that ended", self.flows.clone());
        registry.register("account_changes", "Connected accounts that came to a status", self.accounts.clone());
        registry.register("refreshes", "Token requests of refreshes, by what they came to", self.refreshes.clone());
        let (lateness, help) = (self.lateness.clone(), "From when a background refresh was due to when it was done");
        registry.register_with_unit("refresh_lateness", help, Unit::Seconds, lateness);
        registry.register("requests", "Requests sent with an account's credential", self.calls.clone());
        let (times, help) = (self.call_times.clone(), "From such a request to the head of its answer");
        registry.register_with_unit("request_duration", help, Unit::Seconds, times);
        registry.register("revocations", "Revocations that came to a state", self.revocations.clone());
        registry.register("store_commits", "Commits to the store", self.commits.clone());
        let (time, help) = (self.commit_time.clone(), "How long commits take");
        registry.register_with_unit("store_commit_duration", help, Unit::Seconds, time);
    }

    fn register_sizes(&mut self) {
        let registry = &mut self.registry;
        registry.register("refreshes_in_flight", "Refreshes under way in this process", self.flights.clone());
        let help = "Answers of providers that are in the journal and not yet in the store";
        registry.register("answers_unstored", help, self.kept.clone());
        let help = "Token endpoints that are left alone for now, because they fail or asked for time";
        registry.register("providers_left_alone", help, self.left_alone.clone());
        if let Some(pool) = &self.pool {
            let help = "Connections of this process to the database";
            registry.register("store_connections", help, pool.connections.clone());
            registry.register("store_connections_max", "How many there may be", pool.most.clone());
            registry.register("store_waiting", "Calls that wait for a connection", pool.waiting.clone());
        }
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Which onbehalf this is", version);
    }

    /// A link was made for an account of the connector.
    pub(crate) fn link_made(&self, connector: &str) {
        self.links.get_or_create(&At { connector: connector.into() }).inc();
    }

    /// A flow ended: with a credential, or with this error.
    pub(crate) fn flow_ended(&self, failure: Option<&Error>) {
        self.flows.get_or_create(&Told { outcome: failure.map_or("connected", Error::code) }).inc();
    }

    /// An account came to a status of this name.
    pub(crate) fn account_came_to(&self, status: &'static str) {
        self.accounts.get_or_create(&Status { status }).inc();
    }

    /// A token request of a refresh came to this.
    pub(crate) fn refresh_ended(&self, connector: &str, outcome: Refresh) {
        self.refreshes.get_or_create(&Ended { connector: connector.into(), outcome: outcome.as_str() }).inc();
    }

    /// A background refresh was done so long after it was due.
    pub(crate) fn refreshed_late(&self, late: Duration) {
        self.lateness.observe(late.as_secs_f64());
    }

    /// A request with an account's credential begins.
    pub(crate) fn call_begins<'a>(&'a self, connector: &'a str) -> CallUnderWay<'a> {
        CallUnderWay { metrics: self, connector, began: Instant::now(), outcome: "UNFINISHED" }
    }

    /// A revocation came to a state of this name.
    pub(crate) fn revocation_came_to(&self, state: &'static str) {
        self.revocations.get_or_create(&State { state }).inc();
    }

    /// A commit was tried, and took this long.
    pub(crate) fn committed(&self, commit: &Result<Commit>, took: Duration) {
        let outcome = match commit {
            Ok(Commit::Applied) => "applied",
            Ok(Commit::Conflict) => "conflict",
            Err(error) => error.code(),
        };
        self.commits.get_or_create(&Told { outcome }).inc();
        self.commit_time.observe(took.as_secs_f64());
    }
}

/// A request with an account's credential. One that is dropped before its end, because its time was up, its caller gave
/// up or the environment closes, counts as `UNFINISHED`.
pub(crate) struct CallUnderWay<'a> {
    metrics: &'a Metrics,
    connector: &'a str,
    began: Instant,
    outcome: &'static str,
}

impl CallUnderWay<'_> {
    /// It came to an answer of this status, or to none.
    pub(crate) fn ended(mut self, answer: Result<u16, &Error>) {
        self.outcome = answer.map_or_else(Error::code, class);
    }
}

impl Drop for CallUnderWay<'_> {
    fn drop(&mut self) {
        let Self { metrics, began, outcome, .. } = *self;
        let connector = || self.connector.to_owned();
        metrics.call_times.get_or_create(&At { connector: connector() }).observe(began.elapsed().as_secs_f64());
        metrics.calls.get_or_create(&Ended { connector: connector(), outcome }).inc();
    }
}

impl Engine {
    /// What this engine has counted since it was opened, and what is under way in it now, as OpenMetrics text
    /// ([`MEDIA_TYPE`]). It is of this process alone: sum over the processes of an environment. No value or label is a
    /// secret, or tells whose account it was. Asks neither store nor provider.
    pub fn metrics(&self) -> String {
        let metrics = &*self.metrics;
        metrics.flights.set(size(self.flights.count()));
        metrics.kept.set(size(self.flights.kept.count()));
        metrics.left_alone.set(size(self.pace.left_alone()));
        if let (Some(gauges), Some(pool)) = (&metrics.pool, self.rows.store.pool()) {
            gauges.set(pool);
        }
        let mut text = String::new();
        text::encode(&mut text, &metrics.registry).expect("a string takes every text");
        text
    }
}

impl PoolGauges {
    fn set(&self, pool: Pool) {
        for (state, count) in [("idle", pool.idle), ("busy", pool.busy)] {
            self.connections.get_or_create(&State { state }).set(size(count));
        }
        self.most.set(size(pool.most));
        self.waiting.set(size(pool.waiting));
    }
}

fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
