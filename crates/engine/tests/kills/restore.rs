//! A store that a backup has replaced: what becomes of accounts whose refresh token the provider has replaced since.

use std::{fs, path::Path};

use tempfile::tempdir;

use crate::{
    child::PERSON,
    environment::Environment,
    network::on_postgres,
    provider::{Policy, Provider},
    refresh::{NOW, settled},
};

/// `docs/production.md` says so, of PostgreSQL too; a file is easier to put back.
const TABLE: [(Policy, &str); 5] = [
    (Policy::RevokesFamily, "revoked"),
    (Policy::GraceSame, "ACTIVE"),
    (Policy::GraceNew, "ACTIVE"),
    (Policy::SingleUse, "revoked"),
    (Policy::NoRotation, "ACTIVE"),
];

#[tokio::test]
async fn a_restored_account_ends_only_where_its_old_token_is_dead() {
    if on_postgres() {
        return;
    }
    for (policy, promised) in TABLE {
        assert_eq!(restored(policy, promised).await, promised, "{policy:?}");
    }
}

/// Backs a store up, refreshes, puts the backup back, and looks what another process makes of it.
async fn restored(policy: Policy, promised: &str) -> &'static str {
    let (folder, backup) = (tempdir().unwrap(), tempdir().unwrap());
    let provider = Provider::start(policy).await;
    let address = provider.address.to_string();
    let open = async |now| Environment::open(folder.path(), &address, now, None).await;

    let environment = open(NOW).await;
    environment.consents(PERSON).await.unwrap();
    environment.engine.close().await.unwrap();
    copy(folder.path(), backup.path());

    let environment = open(NOW + 4_000_000).await;
    assert_eq!(settled(&environment, &provider, PERSON).await, "ACTIVE");
    environment.engine.close().await.unwrap();
    assert_eq!(provider.refreshes(), 1);
    copy(backup.path(), folder.path());

    let environment = open(NOW + 8_000_000).await;
    let state = settled(&environment, &provider, PERSON).await;
    // It is believed when it is said twice.
    assert_eq!(provider.refreshes(), if promised == "ACTIVE" { 2 } else { 3 }, "{policy:?}");
    environment.consents(PERSON).await.unwrap();
    assert_eq!(settled(&environment, &provider, PERSON).await, "ACTIVE", "{policy:?}: who authorizes again goes on");
    environment.engine.close().await.unwrap();
    state
}

/// Puts the files of one folder, and no others, into another.
fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(to).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
