//! Providers whose hosts and paths depend on the customer: what is asked of the developer, what the provider gives, and
//! where the credential must never go.

use std::time::Duration;

use onbehalf_engine::{connect::Outcome, connections::NewConnection};
use serde_json::json;

use super::{
    HOUR, Stage,
    documented::{Client, Documented, Encoding, STANDARD, get, lasting, post},
    kept, life,
    messages::GOOGLE,
    named, with_fields,
};
use crate::world::{code, connection};

const CALENDAR: Documented = Documented {
    authorize_params: &[
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("scope", "https://www.googleapis.com/auth/calendar"),
    ],
    api: &[
        get(
            "https://www.googleapis.com/calendar/v3/users/me/calendarList/primary",
            r#"{"kind":"calendar#calendarListEntry","id":"ada@example.com","summary":"Ada"}"#,
        ),
        get("https://www.googleapis.com/calendar/v3/calendars/primary/events", r#"{"items":[]}"#),
    ],
    ..GOOGLE
};

#[tokio::test]
async fn google_calendar_takes_paths_with_and_without_its_base() {
    let stage = Stage::shipped("google_calendar", CALENDAR).await;
    assert_eq!(named(&stage.connected().await), (Some("ada@example.com"), Some("ada@example.com")));
    for path in ["/calendars/primary/events", "/calendar/v3/calendars/primary/events"] {
        assert_eq!(stage.get(path).await, r#"{"items":[]}"#);
    }
    stage.is_refreshed_after(HOUR, "/calendars/primary/events").await;
}

/// <https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm>
const SALESFORCE: Documented = Documented {
    authorize: "https://login.salesforce.com/services/oauth2/authorize",
    authorize_params: &[("scope", "api id refresh_token")],
    token: "https://login.salesforce.com/services/oauth2/token",
    granted: |tokens| {
        json!({
            "access_token": tokens.access, "refresh_token": tokens.refresh, "token_type": "Bearer",
            "instance_url": "https://acme.my.salesforce.com", "issued_at": "1800000000000", "signature": "c2ln",
            "id": "https://login.salesforce.com/id/00D1/0051", "scope": "refresh_token api id",
        })
        .to_string()
    },
    refreshed: |tokens| {
        json!({
            "access_token": tokens.access, "token_type": "Bearer", "instance_url": "https://acme.my.salesforce.com",
            "issued_at": "1800003600000", "signature": "c2ln", "id": "https://login.salesforce.com/id/00D1/0051",
            "scope": "refresh_token api id",
        })
        .to_string()
    },
    api: &[
        get(
            "https://acme.my.salesforce.com/services/oauth2/userinfo",
            r#"{"user_id":"0051","organization_id":"00D1","preferred_username":"ada@acme.example"}"#,
        ),
        get("https://acme.my.salesforce.com/services/data/v66.0/limits", "{}"),
    ],
    ..STANDARD
};

#[tokio::test]
async fn salesforce_is_called_at_the_instance_that_it_gave() {
    let stage = Stage::shipped("salesforce", SALESFORCE).await;
    let account = stage.connected().await;
    assert_eq!(named(&account), (Some("0051"), Some("ada@acme.example")));
    kept(&account, [("instance_url", "https://acme.my.salesforce.com"), ("organization_id", "00D1")]);
    assert_eq!(stage.get("/services/data/v66.0/limits").await, "{}");
}

#[tokio::test]
async fn salesforce_never_says_when_a_token_ends_and_is_refreshed_hourly() {
    let stage = Stage::shipped("salesforce", SALESFORCE).await;
    assert_eq!(life(&stage.connected().await), Some(3600));
    for _ in 0..2 {
        stage.is_refreshed_after(HOUR, "/services/data/v66.0/limits").await;
    }
    kept(&stage.account().await, [("instance_url", "https://acme.my.salesforce.com"), ("organization_id", "00D1")]);
}

#[tokio::test]
async fn salesforce_signs_in_at_sandboxes_and_my_domains() {
    for (login_host, authorize, token) in [
        (
            "test.salesforce.com",
            "https://test.salesforce.com/services/oauth2/authorize",
            "https://test.salesforce.com/services/oauth2/token",
        ),
        (
            "Acme--dev.sandbox.my.salesforce.com",
            "https://acme--dev.sandbox.my.salesforce.com/services/oauth2/authorize",
            "https://acme--dev.sandbox.my.salesforce.com/services/oauth2/token",
        ),
        (
            "acme.my.salesforce.com",
            "https://acme.my.salesforce.com/services/oauth2/authorize",
            "https://acme.my.salesforce.com/services/oauth2/token",
        ),
    ] {
        let documented = Documented { authorize, token, ..SALESFORCE };
        let stage = Stage::set(with_fields("salesforce", [("login_host", login_host)]), documented).await;
        stage.connected().await;
        stage.is_refreshed_after(HOUR, "/services/data/v66.0/limits").await;
    }
}

#[tokio::test]
async fn salesforce_signs_in_nowhere_else() {
    let stage = Stage::shipped("salesforce", SALESFORCE).await;
    for login_host in ["acme.lightning.force.com", "evil.example", "my.salesforce.com.evil.example", "login"] {
        let connector = Some("salesforce".to_owned());
        let new = NewConnection { connector, ..with_fields("sf", [("login_host", login_host)]) };
        assert_eq!(code(stage.engine.create_connection(new).await), "INVALID_ARGUMENT", "{login_host}");
    }
}

/// A57: an answer that was forged, or comes from another provider, names a host of its own.
#[tokio::test]
async fn salesforces_token_goes_to_no_foreign_instance() {
    let foreign = Documented {
        granted: |tokens| {
            let answer = (SALESFORCE.granted)(tokens);
            answer.replace("https://acme.my.salesforce.com", "https://acme.my.salesforce.com.evil.example")
        },
        ..SALESFORCE
    };
    let stage = Stage::shipped("salesforce", foreign).await;
    assert_eq!(stage.authorize().await, Outcome::Failed { code: "AUTHORIZATION_FAILED".into() });
    assert_eq!(stage.provider.state().calls.len(), 0);
    stage.refused_nothing();
}

/// <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant>
const SHOPIFY: Documented = Documented {
    authorize: "https://acme.myshopify.com/admin/oauth/authorize",
    authorize_params: &[("scope", "read_products,read_orders")],
    pkce: false,
    callback: &[("hmac", "700e2d"), ("host", "YWNtZQ"), ("shop", "acme.myshopify.com"), ("timestamp", "1800000000")],
    token: "https://acme.myshopify.com/admin/oauth/access_token",
    exchange_params: &[("expiring", "1")],
    granted: |tokens| {
        json!({
            "access_token": tokens.access, "scope": "read_products,read_orders", "expires_in": 3600,
            "refresh_token": tokens.refresh, "refresh_token_expires_in": 7776000,
        })
        .to_string()
    },
    credential: ("x-shopify-access-token", ""),
    api: &[
        post(
            "https://acme.myshopify.com/admin/api/2026-07/graphql.json",
            r#"{"query":"{ shop { id name } }"}"#,
            r#"{"data":{"shop":{"id":"gid://shopify/Shop/1","name":"Acme"}}}"#,
        ),
        get("https://acme.myshopify.com/admin/api/2026-07/shop.json", "{}"),
    ],
    ..STANDARD
};

#[tokio::test]
async fn shopify_takes_its_token_in_a_header_of_its_own() {
    for shop in ["acme", "acme.myshopify.com", "https://acme.myshopify.com/"] {
        let scopes = Some(vec!["read_products".to_owned(), "read_orders".to_owned()]);
        let asked = NewConnection { scopes, ..with_fields("shopify", [("shop", shop)]) };
        let stage = Stage::set(asked, SHOPIFY).await;
        let account = stage.connected().await;
        assert_eq!(named(&account), (Some("gid://shopify/Shop/1"), Some("Acme")));
        assert_eq!(account.scopes, ["read_products", "read_orders"]);
        stage.is_refreshed_after(HOUR, "/admin/api/2026-07/shop.json").await;
        let calls = &stage.provider.state().calls;
        assert!(calls.iter().all(|headers| !headers.contains_key("authorization")));
    }
}

/// <https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0>
const QUICKBOOKS: Documented = Documented {
    authorize: "https://appcenter.intuit.com/connect/oauth2",
    authorize_params: &[("scope", "com.intuit.quickbooks.accounting")],
    pkce: false,
    callback: &[("realmId", "9130347")],
    token: "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
    client: Client::Basic,
    granted: |tokens| {
        json!({
            "token_type": "bearer", "expires_in": 3600, "x_refresh_token_expires_in": 8726400,
            "access_token": tokens.access, "refresh_token": tokens.refresh,
        })
        .to_string()
    },
    api: &[
        get(
            "https://quickbooks.api.intuit.com/v3/company/9130347/companyinfo/9130347",
            r#"{"CompanyInfo":{"CompanyName":"Acme","Id":"1"}}"#,
        ),
        get("https://quickbooks.api.intuit.com/v3/company/9130347/query?query=select%20*%20from%20Bill", "{}"),
    ],
    ..STANDARD
};

#[tokio::test]
async fn quickbooks_names_the_company_in_the_callback() {
    let stage = Stage::shipped("quickbooks", QUICKBOOKS).await;
    let account = stage.connected().await;
    kept(&account, [("realm_id", "9130347")]);
    assert_eq!(named(&account), (None, Some("Acme")));
    stage.is_refreshed_after(HOUR, "/query?query=select%20*%20from%20Bill").await;
    kept(&stage.account().await, [("realm_id", "9130347")]);
}

const QUICKBOOKS_SANDBOX: Documented = Documented {
    api: &[get(
        "https://sandbox-quickbooks.api.intuit.com/v3/company/9130347/companyinfo/9130347",
        r#"{"CompanyInfo":{"CompanyName":"Sandbox Company","Id":"1"}}"#,
    )],
    ..QUICKBOOKS
};

#[tokio::test]
async fn quickbooks_has_a_sandbox_at_another_host() {
    let stage = Stage::set(with_fields("quickbooks", [("environment", "Sandbox")]), QUICKBOOKS_SANDBOX).await;
    assert_eq!(named(&stage.connected().await), (None, Some("Sandbox Company")));
}

/// <https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/>
const ZENDESK: Documented = Documented {
    authorize: "https://acme.zendesk.com/oauth/authorizations/new",
    authorize_params: &[("scope", "read write")],
    token: "https://acme.zendesk.com/oauth/tokens",
    encoding: Encoding::Json,
    exchange_params: &[("expires_in", "1800")],
    refresh_params: &[("expires_in", "1800")],
    granted: |tokens| {
        json!({
            "access_token": tokens.access, "refresh_token": tokens.refresh, "token_type": "bearer",
            "scope": "read write", "expires_in": 1800, "refresh_token_expires_in": 2592000,
        })
        .to_string()
    },
    refreshed: |tokens| (ZENDESK.granted)(tokens),
    api: &[
        get("https://acme.zendesk.com/api/v2/users/me.json", r#"{"user":{"id":7,"email":"ada@acme.example"}}"#),
        get("https://acme.zendesk.com/api/v2/tickets.json", "{}"),
    ],
    ..STANDARD
};

#[tokio::test]
async fn zendesk_is_asked_for_tokens_that_end_each_time() {
    for subdomain in ["acme", "https://acme.zendesk.com"] {
        let stage = Stage::set(with_fields("zendesk", [("subdomain", subdomain)]), ZENDESK).await;
        let account = stage.connected().await;
        assert_eq!(named(&account), (Some("7"), Some("ada@acme.example")));
        assert_eq!(life(&account), Some(1800));
        for _ in 0..2 {
            stage.is_refreshed_after(HOUR / 2, "/tickets.json").await;
        }
    }
}

/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>
const OUTLOOK: Documented = Documented {
    authorize: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
    authorize_params: &[("scope", "offline_access User.Read Mail.ReadWrite Mail.Send")],
    token: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
    api: &[
        get(
            "https://graph.microsoft.com/v1.0/me",
            r#"{"id":"87d349ed","userPrincipalName":"ada@acme.example","mail":null}"#,
        ),
        get("https://graph.microsoft.com/v1.0/me/messages?$top=1", r#"{"value":[]}"#),
    ],
    ..STANDARD
};

#[tokio::test]
async fn outlook_lets_people_of_any_directory_in_or_of_one() {
    let one = Documented {
        authorize: "https://login.microsoftonline.com/acme.onmicrosoft.com/oauth2/v2.0/authorize",
        token: "https://login.microsoftonline.com/acme.onmicrosoft.com/oauth2/v2.0/token",
        ..OUTLOOK
    };
    let any = Stage::shipped("outlook", OUTLOOK).await;
    let one = Stage::set(with_fields("outlook", [("tenant", "acme.onmicrosoft.com")]), one).await;
    for stage in [any, one] {
        assert_eq!(named(&stage.connected().await), (Some("87d349ed"), Some("ada@acme.example")));
        stage.is_refreshed_after(HOUR, "/me/messages?$top=1").await;
    }
}

#[tokio::test]
async fn microsoft_is_always_asked_for_offline_access() {
    let scopes = Some(vec!["User.Read".to_owned()]);
    let authorize_params = &[("scope", "offline_access User.Read")];
    let asked = NewConnection { scopes, ..connection("outlook") };
    Stage::set(asked, Documented { authorize_params, ..OUTLOOK }).await.connected().await;
}

/// <https://docs.snowflake.com/en/user-guide/oauth-custom>
const SNOWFLAKE: Documented = Documented {
    authorize: "https://xy12345.eu-central-1.snowflakecomputing.com/oauth/authorize",
    authorize_params: &[("scope", "refresh_token")],
    token: "https://xy12345.eu-central-1.snowflakecomputing.com/oauth/token-request",
    client: Client::Basic,
    granted: |tokens| {
        json!({
            "access_token": tokens.access, "refresh_token": tokens.refresh, "token_type": "Bearer", "expires_in": 600,
            "refresh_token_expires_in": 7776000, "username": "ADA", "scope": "refresh_token session:role:ANALYST",
        })
        .to_string()
    },
    refreshed: lasting,
    api_headers: &[("X-Snowflake-Authorization-Token-Type", "OAUTH")],
    api: &[
        post(
            "https://xy12345.eu-central-1.snowflakecomputing.com/api/v2/statements",
            r#"{"statement":"SELECT CURRENT_USER()"}"#,
            r#"{"code":"090001","data":[["ADA"]]}"#,
        ),
        get("https://xy12345.eu-central-1.snowflakecomputing.com/api/v2/databases", "[]"),
    ],
    ..STANDARD
};

#[tokio::test]
async fn snowflake_has_a_host_with_a_region_in_it() {
    for given in ["xy12345.eu-central-1", "XY12345.eu-central-1.snowflakecomputing.com"] {
        let auth_method = Some("oauth2".to_owned());
        let asked = NewConnection { auth_method, ..with_fields("snowflake", [("account", given)]) };
        let stage = Stage::set(asked, SNOWFLAKE).await;
        let account = stage.connected().await;
        assert_eq!(named(&account), (Some("ADA"), Some("ADA")));
        assert_eq!(life(&account), Some(600));
        stage.is_refreshed_after(Duration::from_secs(600), "/api/v2/databases").await;
    }
}
