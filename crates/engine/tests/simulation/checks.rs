//! What must hold whenever a row changes, and what must hold at the end.

use onbehalf_engine::{
    accounts::Status,
    store::{AccountRow, Change},
};

use crate::{provider::Provider, world::World};

/// An account's user, as the provider counts them.
pub(crate) fn user_of(row: &AccountRow) -> usize {
    row.identifier.strip_prefix("user_").and_then(|user| user.parse().ok()).expect("the run named it")
}

/// What a commit says of accounts and leases.
pub(crate) fn told(changes: &[Change]) -> String {
    let told = changes.iter().filter_map(|change| match change {
        Change::InsertAccount(row) => Some(format!("insert {}", row.identifier)),
        Change::ReplaceAccount(row) => Some(format!("{} {} {}", row.identifier, row.status, row.facts)),
        Change::TakeLease { lease, .. } => Some(format!("take lease {} of {}", lease.epoch, lease.account_id)),
        Change::MarkSent { account_id, epoch, .. } => Some(format!("sent {epoch} of {account_id}")),
        Change::ReleaseLease { account_id, epoch, .. } => Some(format!("release lease {epoch} of {account_id}")),
        Change::SetFault(row) => Some(format!("fault {} until {}", row.error, row.next_try)),
        Change::ClearFault { .. } => Some("clear fault".into()),
        _ => None,
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A token never goes back, and an account ends only for a reason that the provider's log bears out.
pub(crate) fn account_changed(world: &World, provider: &Provider, before: &AccountRow, after: &AccountRow) {
    let facts = |row: &AccountRow| serde_json::from_str::<serde_json::Value>(&row.facts).expect("facts are JSON");
    let (old, new) = (facts(before), facts(after));
    let user = user_of(after);
    if new["token_epoch"].as_u64() < old["token_epoch"].as_u64() {
        world.violation(format_args!("the token of user {user} goes back"));
    }
    if new["token_epoch"] == old["token_epoch"] && before.credential != after.credential {
        world.violation(format_args!("the token of user {user} is replaced by one of the same request"));
    }
    if before.status == Status::Active.as_str() && after.status != before.status {
        let reason = new["reason"].as_str().unwrap_or("none");
        if !provider.justifies(user, reason) {
            world.violation(format_args!("user {user} becomes {} for no good reason: {reason}", after.status));
        }
    }
}
