use std::collections::BTreeSet;

use super::*;

/// The families of the text that have something to tell, as the documentation names them.
fn names(metrics: &Metrics) -> BTreeSet<String> {
    let mut text = String::new();
    text::encode(&mut text, &metrics.registry).unwrap();
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let names = series.map(|line| line.split(['{', ' ']).next().unwrap());
    let family = |name: &str| {
        let part = ["_seconds_bucket", "_seconds_count", "_seconds_sum"].into_iter().find(|part| name.ends_with(part));
        part.map_or(name.to_owned(), |part| format!("{}_seconds", name.strip_suffix(part).unwrap()))
    };
    names.map(family).collect()
}

#[test]
fn the_documentation_lists_every_metric_and_no_other() {
    let metrics = Metrics::new(true);
    metrics.link_made("example");
    metrics.flow_ended(None);
    metrics.account_came_to("ACTIVE");
    metrics.refresh_ended("example", Refresh::Refreshed);
    metrics.refreshed_late(Duration::ZERO);
    metrics.call_begins("example").ended(Ok(200));
    metrics.revocation_came_to("accepted");
    metrics.committed(&Ok(Commit::Applied), Duration::ZERO);
    metrics.pool.as_ref().unwrap().set(Pool { idle: 1, busy: 2, most: 3, waiting: 0 });
    let page = include_str!("../../../../docs/production.md");
    let listed = page.lines().filter_map(|line| line.strip_prefix("| `onbehalf_")?.split('`').next());
    let listed = listed.map(|name| format!("onbehalf_{name}")).collect();
    assert_eq!(names(&metrics), listed);
}

#[test]
fn the_documentation_lists_what_a_refresh_may_come_to() {
    let page = include_str!("../../../../docs/production.md");
    for (_, outcome) in Refresh::ALL {
        let row = format!("| `{outcome}` ");
        assert_eq!(page.lines().filter(|line| line.starts_with(&row)).count(), 1, "{row}");
    }
}

#[test]
fn a_store_without_connections_has_no_metrics_of_them() {
    assert!(names(&Metrics::new(false)).iter().all(|name| !name.starts_with("onbehalf_store_connections")));
}
