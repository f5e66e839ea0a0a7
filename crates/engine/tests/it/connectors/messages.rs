//! What providers want to be asked in their own way, and answer in their own way.

use std::time::Duration;

use onbehalf_engine::{connect::Outcome, connections::NewConnection};
use serde_json::json;

use super::{
    HOUR, Stage,
    documented::{Client, Documented, Encoding, STANDARD, get, lasting},
    kept, life, named,
};
use crate::world::connection;

/// <https://developers.google.com/identity/protocols/oauth2/web-server>
pub(super) const GOOGLE: Documented = Documented {
    authorize: "https://accounts.google.com/o/oauth2/v2/auth",
    token: "https://oauth2.googleapis.com/token",
    refreshed: lasting,
    ..STANDARD
};

const GMAIL: Documented = Documented {
    authorize_params: &[
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("scope", "https://www.googleapis.com/auth/gmail.modify"),
    ],
    api: &[
        get("https://gmail.googleapis.com/gmail/v1/users/me/profile", r#"{"emailAddress":"ada@example.com"}"#),
        get("https://gmail.googleapis.com/gmail/v1/users/me/labels", r#"{"labels":[]}"#),
    ],
    ..GOOGLE
};

#[tokio::test]
async fn gmail_is_asked_for_offline_access_and_refreshed_with_one_lasting_token() {
    let stage = Stage::shipped("gmail", GMAIL).await;
    let account = stage.connected().await;
    assert_eq!(named(&account), (Some("ada@example.com"), Some("ada@example.com")));
    assert_eq!(account.scopes, ["https://www.googleapis.com/auth/gmail.modify"]);
    assert_eq!(stage.get("/gmail/v1/users/me/labels").await, r#"{"labels":[]}"#);
    for _ in 0..2 {
        stage.is_refreshed_after(HOUR, "/gmail/v1/users/me/labels").await;
    }
}

/// <https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens>
const HUBSPOT: Documented = Documented {
    authorize: "https://app.hubspot.com/oauth/authorize",
    authorize_params: &[("scope", "oauth crm.objects.contacts.read")],
    token: "https://api.hubapi.com/oauth/2026-03/token",
    granted: |tokens| {
        json!({
            "token_type": "bearer", "access_token": tokens.access, "refresh_token": tokens.refresh,
            "expires_in": 1800, "hub_id": 62515, "user_id": 42,
            "scopes": ["oauth", "crm.objects.contacts.read", "automation"],
        })
        .to_string()
    },
    api: &[
        get("https://api.hubapi.com/account-info/2026-03/details", r#"{"portalId":62515,"timeZone":"Europe/Berlin"}"#),
        get("https://api.hubapi.com/crm/v3/objects/contacts?limit=1", r#"{"results":[]}"#),
    ],
    ..STANDARD
};

#[tokio::test]
async fn hubspot_tells_which_hub_and_user_and_which_scopes_as_a_list() {
    let stage = Stage::shipped("hubspot", HUBSPOT).await;
    let account = stage.connected().await;
    kept(&account, [("hub_id", "62515"), ("user_id", "42")]);
    assert_eq!(named(&account), (Some("62515"), Some("62515")));
    assert_eq!(account.scopes, ["oauth", "crm.objects.contacts.read", "automation"]);
    assert_eq!(life(&account), Some(1800));
    stage.is_refreshed_after(HOUR / 2, "/crm/v3/objects/contacts?limit=1").await;
}

#[tokio::test]
async fn hubspot_takes_optional_scopes_in_a_parameter_of_their_own() {
    let optional = [("optional_scope".to_owned(), vec!["automation".to_owned(), "tickets".to_owned()])];
    let asked = NewConnection { scope_params: optional.into(), ..connection("hubspot") };
    let authorize_params = &[("optional_scope", "automation tickets"), ("scope", "oauth crm.objects.contacts.read")];
    let stage = Stage::set(asked, Documented { authorize_params, ..HUBSPOT }).await;
    stage.connected().await;
}

/// <https://docs.slack.dev/reference/methods/oauth.v2.access>, of an app with token rotation.
const SLACK: Documented = Documented {
    authorize: "https://slack.com/oauth/v2/authorize",
    authorize_params: &[("scope", "channels:read,chat:write")],
    pkce: false,
    token: "https://slack.com/api/oauth.v2.access",
    client: Client::Basic,
    granted: |tokens| {
        json!({
            "ok": true, "access_token": tokens.access, "refresh_token": tokens.refresh, "token_type": "bot",
            "expires_in": 43200, "scope": "channels:read,chat:write", "bot_user_id": "U0BOT", "app_id": "A0",
            "team": { "id": "T0", "name": "Acme" }, "enterprise": null,
            "authed_user": { "id": "U0ADA", "scope": "search:read", "access_token": "xoxp-ada", "token_type": "user" },
        })
        .to_string()
    },
    refreshed: |tokens| {
        json!({
            "ok": true, "access_token": tokens.access, "refresh_token": tokens.refresh, "token_type": "bot",
            "expires_in": 43200, "scope": "channels:read,chat:write", "bot_user_id": "U0BOT", "app_id": "A0",
            "team": { "id": "T0", "name": "Acme" }, "enterprise": null,
        })
        .to_string()
    },
    api: &[
        get("https://slack.com/api/auth.test", r#"{"ok":true,"user_id":"U0BOT","team":"Acme","team_id":"T0"}"#),
        get("https://slack.com/api/conversations.list", r#"{"ok":true,"channels":[]}"#),
    ],
    ..STANDARD
};

#[tokio::test]
async fn slack_grants_a_bot_that_rotates() {
    let stage = Stage::shipped("slack", SLACK).await;
    let account = stage.connected().await;
    assert_eq!(named(&account), (Some("U0BOT"), Some("Acme")));
    assert_eq!(account.scopes, ["channels:read", "chat:write"]);
    kept(&account, [("team_id", "T0"), ("bot_user_id", "U0BOT")]);
    for _ in 0..2 {
        stage.is_refreshed_after(12 * HOUR, "/conversations.list").await;
    }
}

#[tokio::test]
async fn slack_keeps_the_persons_token_beside_the_bots_sealed() {
    let user_scope = [("user_scope".to_owned(), vec!["search:read".to_owned(), "users:read".to_owned()])];
    let authorize_params = &[("scope", "channels:read,chat:write"), ("user_scope", "search:read,users:read")];
    // The shipped file sends the bot's token alone: this one shows that the other is there to be sent.
    let shipped = include_str!("../../../../../connectors/slack.toml");
    let sends_both = "keep_secret     =";
    let both = format!(
        "send.headers = {{ Authorization = \"Bearer {{access_token}}\", X-Person = \"{{user_token}}\" }}\n{sends_both}"
    );
    assert!(shipped.contains(sends_both));
    let api_headers = &[("x-person", "xoxp-ada")];
    let slack = Documented { authorize_params, ..SLACK };
    for (file, documented) in
        [(None, slack), (Some(shipped.replacen(sends_both, &both, 1)), Documented { api_headers, ..slack })]
    {
        let asked = NewConnection { scope_params: user_scope.clone().into(), ..connection("slack") };
        let stage = Stage::overlaid(asked, documented, file).await;
        let account = stage.connected().await;
        stage.get("/conversations.list").await;
        assert!(!format!("{account:?}").contains("xoxp"));
        let row = stage.account_row().await;
        assert!(row.facts.contains("U0BOT") && !row.facts.contains("xoxp"), "{}", row.facts);
        assert!(!row.credential.unwrap().windows(4).any(|bytes| bytes == b"xoxp"));
    }
}

#[tokio::test]
async fn slack_grants_a_person_in_a_nested_answer() {
    let person = Documented {
        authorize_params: &[("user_scope", "search:read")],
        granted: |tokens| {
            json!({
                "ok": true, "app_id": "A0", "team": { "id": "T0" }, "enterprise": null,
                "authed_user": {
                    "id": "U0ADA", "scope": "search:read", "token_type": "user", "expires_in": 43200,
                    "access_token": tokens.access, "refresh_token": tokens.refresh,
                },
            })
            .to_string()
        },
        // Slack's `OAuthV2TokenRefreshResponse` is flat.
        refreshed: |tokens| {
            json!({
                "ok": true, "token_type": "user", "expires_in": 43200,
                "access_token": tokens.access, "refresh_token": tokens.refresh,
            })
            .to_string()
        },
        ..SLACK
    };
    let asked = NewConnection { auth_method: Some("user".into()), ..connection("slack") };
    let stage = Stage::set(asked, person).await;
    let account = stage.connected().await;
    kept(&account, [("team_id", "T0")]);
    assert_eq!((account.scopes.as_slice(), life(&account)), (&["search:read".to_owned()][..], Some(43200)));
    stage.get("/conversations.list").await;
    stage.is_refreshed_after(12 * HOUR, "/conversations.list").await;
}

#[tokio::test]
async fn slack_says_its_errors_in_a_200() {
    for (error, wanted) in [
        (r#"{"ok":false,"error":"bad_client_secret"}"#, "CONNECTION_MISCONFIGURED"),
        (r#"{"ok":false,"error":"invalid_code"}"#, "AUTHORIZATION_FAILED"),
    ] {
        let stage = Stage::shipped("slack", SLACK).await;
        stage.provider.state().scripted.push_back((200, error));
        assert_eq!(stage.authorize().await, Outcome::Failed { code: wanted.into() });
    }
    let stage = Stage::shipped("slack", SLACK).await;
    stage.connected().await;
    stage.clock.advance(12 * HOUR);
    let gone = (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#);
    stage.provider.state().scripted.extend([gone, gone]);
    assert_eq!(stage.get_fails("/conversations.list").await, "REAUTHORIZATION_REQUIRED");
}

/// <https://developers.notion.com/guides/get-started/authorization>
pub(super) const NOTION: Documented = Documented {
    authorize: "https://api.notion.com/v1/oauth/authorize",
    authorize_params: &[("owner", "user")],
    pkce: false,
    token: "https://api.notion.com/v1/oauth/token",
    client: Client::Basic,
    encoding: Encoding::Json,
    token_headers: &[("Notion-Version", "2026-03-11")],
    granted: |tokens| {
        json!({
            "access_token": tokens.access, "refresh_token": tokens.refresh, "token_type": "bearer",
            "bot_id": "b0", "workspace_id": "w0", "workspace_name": "Acme", "workspace_icon": null,
            "owner": { "type": "user" }, "duplicated_template_id": null,
        })
        .to_string()
    },
    refreshed: |tokens| (NOTION.granted)(tokens),
    api_headers: &[("Notion-Version", "2026-03-11")],
    api: &[
        get("https://api.notion.com/v1/users/me", r#"{"id":"b0","type":"bot","bot":{"workspace_name":"Acme"}}"#),
        get("https://api.notion.com/v1/users", r#"{"results":[]}"#),
    ],
    ..STANDARD
};

#[tokio::test]
async fn notion_wants_json_basic_and_its_version_everywhere() {
    let stage = Stage::shipped("notion", NOTION).await;
    let account = stage.connected().await;
    assert_eq!(named(&account), (Some("b0"), Some("Acme")));
    kept(&account, [("workspace_id", "w0"), ("bot_id", "b0")]);
    assert_eq!(stage.get("/users").await, r#"{"results":[]}"#);
}

#[tokio::test]
async fn a_notion_token_of_unknown_life_is_refreshed_on_its_first_401() {
    let stage = Stage::shipped("notion", NOTION).await;
    assert_eq!(life(&stage.connected().await), None);
    stage.clock.advance(365 * 24 * HOUR);
    stage.get("/users").await;
    assert_eq!(stage.provider.issued(), 1, "nobody said that it has ended");
    stage.provider.state().access_token = None;
    stage.is_refreshed_after(Duration::ZERO, "/users").await;
}

/// <https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>
const GITHUB: Documented = Documented {
    authorize: "https://github.com/login/oauth/authorize",
    authorize_params: &[("scope", "repo read:user")],
    token: "https://github.com/login/oauth/access_token",
    granted: |tokens| format!("access_token={}&scope=repo%2Cread%3Auser&token_type=bearer", tokens.access),
    api_headers: &[("X-GitHub-Api-Version", "2022-11-28")],
    api: &[
        get("https://api.github.com/user", r#"{"login":"ada","id":1815}"#),
        get("https://api.github.com/user/repos", "[]"),
    ],
    ..STANDARD
};

#[tokio::test]
async fn github_answers_in_a_form_with_a_token_that_does_not_end() {
    let stage = Stage::shipped("github", GITHUB).await;
    let account = stage.connected().await;
    assert_eq!(named(&account), (Some("1815"), Some("ada")));
    assert_eq!((account.scopes.len(), life(&account)), (2, None));
    stage.clock.advance(365 * 24 * HOUR);
    assert_eq!(stage.get("/user/repos").await, "[]");
    let calls = &stage.provider.state().calls;
    assert_eq!(calls.last().unwrap()["accept"], "application/vnd.github+json");
}

#[tokio::test]
async fn github_says_bad_verification_code_in_a_200() {
    for answer in [
        "error=bad_verification_code&error_description=The+code+passed+is+incorrect+or+expired.",
        r#"{"error":"bad_verification_code","error_description":"The code passed is incorrect or expired."}"#,
    ] {
        let stage = Stage::shipped("github", GITHUB).await;
        stage.provider.state().scripted.push_back((200, answer));
        assert_eq!(stage.authorize().await, Outcome::Failed { code: "AUTHORIZATION_FAILED".into() });
    }
}

/// <https://developers.tiktok.com/doc/oauth-user-access-token-management>
const TIKTOK: Documented = Documented {
    authorize: "https://www.tiktok.com/v2/auth/authorize/",
    authorize_params: &[("scope", "user.info.basic,video.list")],
    pkce: false,
    callback: &[("scopes", "user.info.basic,video.list")],
    token: "https://open.tiktokapis.com/v2/oauth/token/",
    client_id: "client_key",
    granted: |tokens| {
        json!({
            "open_id": "afd97af1", "scope": "user.info.basic,video.list", "token_type": "Bearer",
            "access_token": tokens.access, "expires_in": 86400,
            "refresh_token": tokens.refresh, "refresh_expires_in": 31536000,
        })
        .to_string()
    },
    api: &[
        get(
            "https://open.tiktokapis.com/v2/user/info/?fields=open_id,display_name",
            r#"{"data":{"user":{"open_id":"afd97af1","display_name":"Ada"}},"error":{"code":"ok"}}"#,
        ),
        get("https://open.tiktokapis.com/v2/user/info/?fields=avatar_url", "{}"),
    ],
    ..STANDARD
};

#[tokio::test]
async fn tiktok_calls_the_client_id_client_key() {
    let scopes = Some(vec!["user.info.basic".to_owned(), "video.list".to_owned()]);
    let stage = Stage::set(NewConnection { scopes, ..connection("tiktok") }, TIKTOK).await;
    let account = stage.connected().await;
    assert_eq!(named(&account), (Some("afd97af1"), Some("Ada")));
    assert_eq!(account.scopes, ["user.info.basic", "video.list"]);
    stage.is_refreshed_after(24 * HOUR, "/v2/user/info/?fields=avatar_url").await;
}

/// <https://docs.stripe.com/connect/oauth-reference>
const STRIPE: Documented = Documented {
    authorize: "https://connect.stripe.com/oauth/authorize",
    authorize_params: &[("scope", "read_write")],
    pkce: false,
    token: "https://connect.stripe.com/oauth/token",
    granted: |tokens| {
        json!({
            "token_type": "bearer", "scope": "read_write", "livemode": false, "stripe_user_id": "acct_1",
            "stripe_publishable_key": "pk_test_1", "access_token": tokens.access, "refresh_token": tokens.refresh,
        })
        .to_string()
    },
    api: &[
        get(
            "https://api.stripe.com/v1/account",
            r#"{"id":"acct_1","settings":{"dashboard":{"display_name":"Acme Inc."}}}"#,
        ),
        get("https://api.stripe.com/v1/balance", "{}"),
    ],
    ..STANDARD
};

#[tokio::test]
async fn stripe_connect_names_the_account_in_its_token_answer() {
    let connect = NewConnection { auth_method: Some("connect".into()), ..connection("stripe") };
    let stage = Stage::set(connect, STRIPE).await;
    let account = stage.connected().await;
    assert_eq!(named(&account), (Some("acct_1"), Some("Acme Inc.")));
    kept(&account, [("account_id", "acct_1")]);
    assert_eq!((account.scopes.as_slice(), life(&account)), (&["read_write".to_owned()][..], None));
    stage.get("/v1/balance").await;
}
