//! Connections and accounts that move from one environment to another; what may happen to their file is in `file`.

mod file;

use std::{fs, path::PathBuf, time::Duration};

use onbehalf_engine::{
    Result,
    accounts::{Account, AccountQuery, Brought, BroughtToken, Disclosed, Status},
    connections::{ConnectionPatch, NewConnection},
    moving::{Exported, Imported, LeftBehind, Scope},
    names::{ConnectionName, Organization},
    removal::AtProvider,
    secret::{ExposeSecret, Secret},
};
use tempfile::{TempDir, tempdir};

use crate::{
    static_world::{key, static_settings},
    world::{World, account, code, connection, identifier, settings, verified_settings, world},
};

/// A folder for a file between two environments.
struct Between(TempDir);

impl Between {
    fn new() -> Self {
        Self(tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("accounts.moving")
    }

    async fn export(&self, from: &World, to: &World, left_behind: LeftBehind) -> Result<Exported> {
        let recipient = to.engine.moving_key().unwrap();
        from.engine.export_accounts(Scope::Everything, &recipient, left_behind, &self.path()).await
    }

    async fn import(&self, to: &World) -> Result<Imported> {
        to.engine.import_accounts(&self.path()).await
    }

    /// Out and in, whatever was in the file before.
    async fn moved(&self, from: &World, to: &World) -> Imported {
        let _ = fs::remove_file(self.path());
        self.export(from, to, LeftBehind::Untouched).await.unwrap();
        self.import(to).await.unwrap()
    }

    /// The file's bytes, to be put back changed.
    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    fn put(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).unwrap();
    }
}

/// Another environment with the same provider and clock, and nothing in it.
async fn target_of(world: &World, folder: &TempDir) -> World {
    World::in_folder(folder.path(), Some(world.outside_of())).await
}

fn counts(accounts: [u64; 3]) -> Imported {
    let [imported, skipped, conflicts] = accounts;
    Imported { connections: 1, accounts: accounts.iter().sum(), imported, skipped, conflicts }
}

/// An export as whoever has no file pulls it.
async fn pulled(from: &World, to: &World) -> Vec<u8> {
    let recipient = to.engine.moving_key().unwrap();
    let mut export = from.engine.export(Scope::Everything, &recipient, LeftBehind::Disabled).unwrap();
    let mut stream = Vec::new();
    while let Some(chunk) = export.next().await.unwrap() {
        stream.extend_from_slice(&chunk);
    }
    stream
}

async fn access_token(world: &World, person: &str) -> Result<String> {
    let token = world.engine.token(&account("example", person), Duration::ZERO).await?;
    Ok(token.access_token.expose_secret().to_owned())
}

async fn every_account(world: &World, organization: &Organization) -> Vec<Account> {
    let mut query =
        AccountQuery { organization: organization.clone(), page_size: Some(100), ..AccountQuery::default() };
    let mut accounts = Vec::new();
    loop {
        let page = world.engine.accounts(&query).await.unwrap();
        accounts.extend(page.accounts);
        query.page_token = page.next_page_token;
        if query.page_token.is_none() {
            return accounts;
        }
    }
}

/// All of an account that moves, as text. Its connection has another id where one of its name is declared.
fn facts_of(account: &Account) -> String {
    let Account { id, connection_name, identifier, status, reason, scopes, kept, .. } = account;
    let person = (&account.provider_account_id, &account.provider_account_label);
    let times = (account.token_expires_at, account.refreshed_at, account.created_at);
    format!("{id} {connection_name} {identifier} {status:?} {reason:?} {scopes:?} {kept:?} {person:?} {times:?}")
}

async fn every_fact(world: &World) -> Vec<String> {
    every_account(world, &Organization::default()).await.iter().map(facts_of).collect()
}

fn brought(access: &str, refresh: &str) -> Brought {
    Brought::Token(BroughtToken {
        access_token: Secret::from(access),
        refresh_token: Some(Secret::from(refresh)),
        expires_at: None,
        scopes: vec!["read".into()],
    })
}

/// As many accounts of the connection `example`.
async fn fill(world: &World, organization: &Organization, count: usize) {
    let name = ConnectionName::parse("example").unwrap();
    for number in 0..count {
        let person = identifier(&format!("user_{number}"));
        let token = Some(brought(&format!("at_{number}"), &format!("rt_{number}")));
        world.engine.create_account(organization, &name, &person, token).await.unwrap();
    }
}

#[tokio::test]
async fn an_account_goes_on_elsewhere_without_a_new_consent() {
    let (folder, between) = (tempdir().unwrap(), Between::new());
    let from = world().await;
    let to = target_of(&from, &folder).await;
    from.authorize("user_1", "ada").await;
    let exported = between.export(&from, &to, LeftBehind::Disabled).await.unwrap();
    assert_eq!(exported, Exported { connections: 1, accounts: 1 });
    assert_eq!(between.import(&to).await.unwrap(), counts([1, 0, 0]));

    assert_eq!(facts_of(&to.account("user_1").await), facts_of(&from.account("user_1").await));
    assert_eq!(access_token(&to, "user_1").await.unwrap(), "access-2");
    to.pass(Duration::from_secs(4000));
    assert_eq!(access_token(&to, "user_1").await.unwrap(), "access-3");
    // Two places with one rotating token would have ended the grant.
    assert_eq!(code(access_token(&from, "user_1").await), "CONNECTION_DISABLED");
    assert_eq!(access_token(&to, "user_1").await.unwrap(), "access-3");
    assert_eq!(to.provider.state().revoked_families, 0);
}

#[tokio::test]
async fn an_account_arrives_in_the_state_it_was_in() {
    let (folder, between) = (tempdir().unwrap(), Between::new());
    let from = World::with(static_settings()).await;
    from.authorize("expired", "eve").await;
    from.provider.revoke_everything();
    from.pass(Duration::from_secs(4000));
    assert_eq!(code(access_token(&from, "expired").await), "REAUTHORIZATION_REQUIRED");
    from.authorize("disconnected", "dan").await;
    from.engine.disconnect_account(&account("example", "disconnected"), AtProvider::Leave).await.unwrap();
    from.link("example", "pending").await.unwrap();
    from.authorize("active", "ada").await;
    from.provider.state().keys.insert("x-key: sk_1".into(), "ada".into());
    from.bring("keys", Brought::Fields(key("sk_1"))).await.unwrap();

    let to = World::in_folder_with(folder.path(), Some(from.outside_of()), static_settings()).await;
    let imported = between.moved(&from, &to).await;
    assert_eq!(imported, Imported { connections: 2, accounts: 5, imported: 5, skipped: 0, conflicts: 0 });
    let facts = every_fact(&to).await;
    assert_eq!(facts, every_fact(&from).await);
    for state in ["Active", "Expired Some(\"revoked\")", "Disconnected Some(\"disconnected\")", "PendingAuth None"] {
        assert!(facts.iter().any(|fact| fact.contains(state)), "{state} in {facts:#?}");
    }
    let (_, disclosed) = to.engine.account_with_credential(&account("keys", "user_1")).await.unwrap();
    let Some(Disclosed::Fields(fields)) = disclosed else { panic!("{disclosed:?}") };
    assert_eq!(fields["api_key"].expose_secret(), "sk_1");
}

/// A consent that waits for the app's verification is a flow of where it was given.
#[tokio::test]
async fn a_consent_under_way_stays_behind() {
    let between = Between::new();
    let (from, to) = (World::with(verified_settings()).await, world().await);
    from.authorize("user_1", "ada").await;
    assert_eq!(from.account("user_1").await.status, Status::PendingVerification);
    assert_eq!(between.moved(&from, &to).await, counts([1, 0, 0]));
    assert_eq!(to.account("user_1").await.status, Status::PendingAuth);
}

#[tokio::test]
async fn a_thousand_accounts_of_two_organizations_arrive_byte_for_byte() {
    let between = Between::new();
    let (from, to) = (world().await, world().await);
    let acme = Organization::parse("acme").unwrap();
    let example = ConnectionName::parse("example").unwrap();
    let tuned = NewConnection {
        organization: acme.clone(),
        connector: Some("example".into()),
        scopes: Some(vec!["only".into()]),
        ..connection("tuned")
    };
    from.engine.create_connection(tuned).await.unwrap();
    let (default, tuned) = (Organization::default(), ConnectionName::parse("tuned").unwrap());
    for number in 0..1000 {
        let (organization, name) = if number % 2 == 0 { (&default, &example) } else { (&acme, &tuned) };
        let token = brought(&format!("access_{number}_{}", "x".repeat(number)), &format!("refresh!{number}~"));
        let person = identifier(&format!("Zoë {number}"));
        from.engine.create_account(organization, name, &person, Some(token)).await.unwrap();
    }
    let imported = between.moved(&from, &to).await;
    assert_eq!(imported, Imported { connections: 2, accounts: 1000, imported: 1000, skipped: 0, conflicts: 0 });
    for (organization, name) in [(default, example), (acme, tuned)] {
        let (left, arrived) = (every_account(&from, &organization).await, every_account(&to, &organization).await);
        assert_eq!(left.len(), 500);
        assert_eq!(left.iter().map(facts_of).collect::<Vec<_>>(), arrived.iter().map(facts_of).collect::<Vec<_>>());
        for account in arrived {
            let number: usize = account.identifier.strip_prefix("Zoë ").unwrap().parse().unwrap();
            let by = onbehalf_engine::accounts::AccountBy::Id(account.id);
            let account = onbehalf_engine::accounts::AccountRef { organization: organization.clone(), by };
            let token = to.engine.token(&account, Duration::ZERO).await.unwrap();
            assert_eq!(token.access_token.expose_secret(), format!("access_{number}_{}", "x".repeat(number)));
            assert_eq!(token.refresh_token.unwrap().expose_secret(), format!("refresh!{number}~"));
        }
        let (left, arrived) =
            (from.engine.connection(&organization, &name).await, to.engine.connection(&organization, &name).await);
        let (left, arrived) = (left.unwrap(), arrived.unwrap());
        assert_eq!((left.scopes, left.client_id), (arrived.scopes, arrived.client_id));
        assert!(arrived.has_client_secret && arrived.enabled);
        // One that is declared here was made here.
        assert_eq!(left.id == arrived.id, name.as_str() == "tuned");
    }
}

#[tokio::test]
async fn one_organization_can_move_alone() {
    let between = Between::new();
    let (from, to) = (world().await, world().await);
    from.authorize("user_1", "ada").await;
    let acme = Organization::parse("acme").unwrap();
    let example = NewConnection { organization: acme.clone(), ..connection("example") };
    from.engine.create_connection(example).await.unwrap();
    let recipient = to.engine.moving_key().unwrap();
    let scope = Scope::Organization(acme.clone());
    let exported = from.engine.export_accounts(scope, &recipient, LeftBehind::Disabled, &between.path()).await;
    assert_eq!(exported.unwrap(), Exported { connections: 1, accounts: 0 });
    assert_eq!(between.import(&to).await.unwrap(), counts([0, 0, 0]));
    assert_eq!(to.engine.connections(&acme, None, None).await.unwrap().connections.len(), 1);
    assert_eq!(access_token(&from, "user_1").await.unwrap(), "access-2", "the other one is not disabled");
}

#[tokio::test]
async fn an_import_that_broke_off_goes_on_where_it_stopped() {
    let between = Between::new();
    let (from, to) = (world().await, world().await);
    let organization = Organization::default();
    fill(&from, &organization, 500).await;
    between.export(&from, &to, LeftBehind::Untouched).await.unwrap();
    let filling = async {
        while every_account(&to, &organization).await.is_empty() {
            tokio::task::yield_now().await;
        }
        to.store.set_full(true);
    };
    let (broken, ()) = tokio::join!(between.import(&to), filling);
    assert_eq!(code(broken), "STORE_FULL");
    to.store.set_full(false);
    let resumed = between.import(&to).await.unwrap();
    assert_eq!((resumed.accounts, resumed.conflicts), (500, 0));
    assert!(resumed.skipped > 0 && resumed.imported > 0, "{resumed:?}");
    assert_eq!(every_fact(&to).await, every_fact(&from).await);
    assert_eq!(between.import(&to).await.unwrap(), counts([0, 500, 0]));
}

#[tokio::test]
async fn a_credential_that_came_about_here_is_kept() {
    let (folder, between) = (tempdir().unwrap(), Between::new());
    let from = world().await;
    let to = target_of(&from, &folder).await;
    from.authorize("user_1", "ada").await;
    to.authorize("user_2", "bob").await;
    from.authorize("user_2", "bob").await;
    assert_eq!(between.moved(&from, &to).await, counts([1, 0, 1]));
    assert_eq!(access_token(&to, "user_2").await.unwrap(), "access-4");
    to.pass(Duration::from_secs(4000));
    let refreshed = access_token(&to, "user_1").await.unwrap();
    assert_eq!(between.import(&to).await.unwrap(), counts([0, 0, 2]));
    assert_eq!(access_token(&to, "user_1").await.unwrap(), refreshed);
}

/// The clock of where it comes from decides, so that two clocks that differ do no harm.
#[tokio::test]
async fn a_later_file_brings_what_has_changed_since() {
    let between = Between::new();
    let (from, to) = (world().await, world().await);
    to.pass(Duration::from_secs(1800));
    from.authorize("user_1", "ada").await;
    from.authorize("user_2", "bob").await;
    assert_eq!(between.moved(&from, &to).await, counts([2, 0, 0]));
    let earlier = between.bytes();
    from.pass(Duration::from_secs(60));
    from.authorize("user_1", "ada").await;
    assert_eq!(between.moved(&from, &to).await, counts([1, 1, 0]));
    let changed = access_token(&from, "user_1").await.unwrap();
    assert_eq!(access_token(&to, "user_1").await.unwrap(), changed);
    between.put(&earlier);
    assert_eq!(between.import(&to).await.unwrap(), counts([0, 2, 0]));
    assert_eq!(access_token(&to, "user_1").await.unwrap(), changed);
}

#[tokio::test]
async fn a_disconnected_account_is_not_revived() {
    let (folder, between) = (tempdir().unwrap(), Between::new());
    let from = world().await;
    let to = target_of(&from, &folder).await;
    from.authorize("user_1", "ada").await;
    assert_eq!(between.moved(&from, &to).await, counts([1, 0, 0]));
    to.engine.disconnect_account(&account("example", "user_1"), AtProvider::Leave).await.unwrap();
    assert_eq!(between.import(&to).await.unwrap(), counts([0, 0, 1]));
    assert_eq!(to.account("user_1").await.status, Status::Disconnected);
}

#[tokio::test]
async fn a_connection_of_another_app_is_refused_and_nothing_stored() {
    let (between, from, to) = (Between::new(), world().await, world().await);
    from.authorize("user_1", "ada").await;
    let (organization, name) = (Organization::default(), ConnectionName::parse("example").unwrap());
    let patch = ConnectionPatch { client_id: Some("another".into()), ..ConnectionPatch::default() };
    to.engine.update_connection(&organization, &name, patch).await.unwrap();
    between.export(&from, &to, LeftBehind::Untouched).await.unwrap();
    let error = between.import(&to).await.unwrap_err();
    assert_eq!(error.code(), "INVALID_ARGUMENT");
    assert!(error.to_string().contains("`example` of another app"), "{error}");
    assert!(every_fact(&to).await.is_empty());
}

#[tokio::test]
async fn a_connection_without_a_connector_here_is_refused() {
    let between = Between::new();
    let from = World::with(static_settings()).await;
    from.provider.state().keys.insert("x-key: sk_1".into(), "ada".into());
    from.bring("keys", Brought::Fields(key("sk_1"))).await.unwrap();
    let to = World::with(settings()).await;
    between.export(&from, &to, LeftBehind::Untouched).await.unwrap();
    assert_eq!(code(between.import(&to).await), "CONNECTOR_NOT_FOUND");
}

/// The refresh token that is in the store is spent; the one that works is on its way.
#[tokio::test]
async fn an_export_waits_for_a_refresh_under_way() {
    let (folder, between) = (tempdir().unwrap(), Between::new());
    let from = world().await;
    let to = target_of(&from, &folder).await;
    from.authorize("user_1", "ada").await;
    from.pass(Duration::from_secs(4000));
    let gate = from.provider.hold_token_requests();
    let exporting = async {
        gate.arrived.notified().await;
        let opening = async {
            // For longer than an export that does not wait takes.
            for _ in 0..100 {
                from.account("user_1").await;
            }
            from.provider.let_token_requests_go();
        };
        tokio::join!(pulled(&from, &to), opening).0
    };
    let (refreshed, stream) = tokio::join!(access_token(&from, "user_1"), exporting);
    assert_eq!(refreshed.unwrap(), "access-3");
    between.put(&stream);
    between.import(&to).await.unwrap();
    assert_eq!(access_token(&to, "user_1").await.unwrap(), "access-3");
}

/// What the refresh brings is newer than the file, whichever comes first.
#[tokio::test]
async fn an_import_waits_for_a_refresh_under_way() {
    let (folder, between) = (tempdir().unwrap(), Between::new());
    let from = world().await;
    let to = target_of(&from, &folder).await;
    from.authorize("user_1", "ada").await;
    assert_eq!(between.moved(&from, &to).await, counts([1, 0, 0]));
    from.pass(Duration::from_secs(4000));
    from.authorize("user_1", "ada").await;
    fs::remove_file(between.path()).unwrap();
    between.export(&from, &to, LeftBehind::Untouched).await.unwrap();
    let gate = to.provider.hold_token_requests();
    let importing = async {
        gate.arrived.notified().await;
        let opening = async {
            tokio::task::yield_now().await;
            to.provider.let_token_requests_go();
        };
        tokio::join!(between.import(&to), opening).0
    };
    let (refreshed, imported) = tokio::join!(access_token(&to, "user_1"), importing);
    assert_eq!(imported.unwrap(), counts([0, 0, 1]));
    assert_eq!(access_token(&to, "user_1").await.unwrap(), refreshed.unwrap());
}

/// A84: a credential that leaves in a file leaves a record, on both sides.
#[tokio::test]
async fn what_moves_is_on_record_in_both_environments() {
    let from = world().await;
    from.authorize("user_1", "ada").await;
    let folder = tempdir().unwrap();
    let to = target_of(&from, &folder).await;
    let between = Between::new();
    from.store.set_full(true);
    assert_eq!(code(between.export(&from, &to, LeftBehind::Untouched).await), "STORE_FULL");
    assert!(!between.path().exists(), "what is not on record does not leave");
    from.store.set_full(false);
    between.moved(&from, &to).await;
    let id = from.account("user_1").await.id;
    for (world, action) in [(&from, "credential.exported"), (&to, "account.imported")] {
        let records = world.engine.records(&Organization::default(), Some(100), None).await.unwrap().records;
        let told: Vec<_> = records.iter().filter(|record| record.action == action).collect();
        assert_eq!(told.len(), 1, "{action}");
        assert_eq!(told[0].account_id.as_deref(), Some(&*id));
        world.engine.verify_records(None).await.unwrap();
    }
}
