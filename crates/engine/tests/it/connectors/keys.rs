//! The shipped connectors that take what a person enters, each against its provider as documented: the form, the probe
//! that tries the credential, and a call. A request that is not to the letter is refused as a wrong key is.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderMap, Request, Response, StatusCode, header};
use indexmap::IndexMap;
use onbehalf_engine::{
    Engine, Parts, Settings,
    accounts::{Account, Status},
    connect::{Asks, NewLink, Submitted},
    connections::NewConnection,
    egress::{
        Egress, Failure,
        body::{Incoming, Outgoing},
    },
    proxy::{Body, ProxyRequest},
    random::SystemRandom,
    secret::Secret,
    store::{
        journal::Journal,
        sqlite::{Location, SqliteStore},
    },
    time::ManualClock,
};

use super::START;
use crate::{
    static_world::clientless,
    world::{account, settings, token_of},
};

/// One connector, what is entered in its form, and what its provider then wants to see.
struct Case {
    connector: &'static str,
    /// The default one unless said.
    method: Option<&'static str>,
    /// Of the connection.
    settings: &'static [(&'static str, &'static str)],
    entered: &'static [(&'static str, &'static str)],
    /// The API, and the query that every call has.
    api: (&'static str, &'static str),
    /// Of every call, and no other header of such a name.
    headers: &'static [(&'static str, &'static str)],
    probe: (&'static str, &'static str),
    owner: (Option<&'static str>, Option<&'static str>),
}

const CASE: Case = Case {
    connector: "",
    method: None,
    settings: &[],
    entered: &[("api_key", "k-1")],
    api: ("", ""),
    headers: &[("authorization", "Bearer k-1")],
    probe: ("", ""),
    owner: (None, None),
};

const CASES: [Case; 12] = [
    Case {
        connector: "openai",
        api: ("https://api.openai.com/v1", ""),
        probe: ("/models", r#"{"object":"list","data":[]}"#),
        ..CASE
    },
    Case {
        connector: "anthropic",
        api: ("https://api.anthropic.com/v1", ""),
        headers: &[("x-api-key", "k-1"), ("anthropic-version", "2023-06-01")],
        probe: ("/models", r#"{"data":[],"has_more":false}"#),
        ..CASE
    },
    Case {
        connector: "airtable",
        api: ("https://api.airtable.com/v0", ""),
        probe: ("/meta/whoami", r#"{"id":"usrL2PNC5o3H4lBEi"}"#),
        owner: (Some("usrL2PNC5o3H4lBEi"), None),
        ..CASE
    },
    Case {
        connector: "datadog",
        entered: &[("site", "us3.datadoghq.com"), ("api_key", "k-1"), ("application_key", "k-2")],
        api: ("https://api.us3.datadoghq.com/api", ""),
        headers: &[("dd-api-key", "k-1"), ("dd-application-key", "k-2")],
        probe: ("/v2/validate_keys", r#"{"status":"ok"}"#),
        ..CASE
    },
    Case {
        connector: "pagerduty",
        api: ("https://api.pagerduty.com", ""),
        headers: &[("authorization", "Token token=k-1"), ("accept", "application/vnd.pagerduty+json;version=2")],
        probe: ("/abilities", r#"{"abilities":["teams"]}"#),
        ..CASE
    },
    Case {
        connector: "sendgrid",
        api: ("https://api.sendgrid.com/v3", ""),
        probe: ("/scopes", r#"{"scopes":["mail.send"]}"#),
        ..CASE
    },
    Case {
        connector: "serpapi",
        api: ("https://serpapi.com", "api_key=k-1"),
        headers: &[],
        probe: ("/account.json", r#"{"account_id":"5ac5","api_key":"k-1","account_email":"demo@serpapi.com"}"#),
        owner: (Some("5ac5"), Some("demo@serpapi.com")),
        ..CASE
    },
    Case {
        connector: "tavily",
        api: ("https://api.tavily.com", ""),
        probe: ("/usage", r#"{"key":{"usage":0},"account":{}}"#),
        ..CASE
    },
    Case {
        connector: "freshdesk",
        entered: &[("subdomain", "https://acme.freshdesk.com/"), ("api_key", "k-1")],
        api: ("https://acme.freshdesk.com/api/v2", ""),
        headers: &[("authorization", "Basic ay0xOlg=")],
        probe: ("/agents/me", r#"{"id":1,"contact":{"email":"ada@acme.example"}}"#),
        owner: (Some("1"), Some("ada@acme.example")),
        ..CASE
    },
    Case {
        connector: "github",
        method: Some("token"),
        entered: &[("api_key", "ghp_1")],
        api: ("https://api.github.com", ""),
        headers: &[
            ("authorization", "Bearer ghp_1"),
            ("accept", "application/vnd.github+json"),
            ("x-github-api-version", "2022-11-28"),
        ],
        probe: ("/user", r#"{"id":583231,"login":"octocat"}"#),
        owner: (Some("583231"), Some("octocat")),
        ..CASE
    },
    Case {
        connector: "stripe",
        entered: &[("api_key", "sk_test_1")],
        api: ("https://api.stripe.com", ""),
        headers: &[("authorization", "Bearer sk_test_1")],
        probe: ("/v1/account", r#"{"id":"acct_1","settings":{"dashboard":{"display_name":"Acme"}}}"#),
        owner: (Some("acct_1"), Some("Acme")),
        ..CASE
    },
    Case {
        connector: "zendesk",
        method: Some("api_token"),
        settings: &[("subdomain", "acme")],
        entered: &[("email", "ada@acme.example"), ("api_token", "k-1")],
        api: ("https://acme.zendesk.com/api/v2", ""),
        headers: &[("authorization", "Basic YWRhQGFjbWUuZXhhbXBsZS90b2tlbjprLTE=")],
        probe: ("/users/me.json", r#"{"user":{"id":35436,"email":"ada@acme.example"}}"#),
        owner: (Some("35436"), Some("ada@acme.example")),
    },
];

#[tokio::test]
async fn a_key_that_is_entered_works_with_every_connector_that_takes_one() {
    for case in &CASES {
        let engine = case.engine().await;
        assert_eq!(case.enter(&engine, case.entered).await.unwrap(), (), "{}", case.connector);
        let found = case.account(&engine).await;
        assert_eq!(found.status, Status::Active, "{}", case.connector);
        let owner = (found.provider_account_id.as_deref(), found.provider_account_label.as_deref());
        assert_eq!(owner, case.owner, "{}", case.connector);
        let request = ProxyRequest {
            account: account(case.connector, "user_1"),
            method: None,
            path: "/some/call".into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            timeout: None,
        };
        assert_eq!(engine.request(request).await.unwrap().status, 200, "{}", case.connector);
    }
}

#[tokio::test]
async fn a_wrong_key_is_noticed_by_every_connector_that_takes_one() {
    for case in &CASES {
        let engine = case.engine().await;
        // Of the right form, and not the right one.
        let wrong: Vec<_> = case.entered.iter().map(|(name, value)| (*name, format!("{value}9"))).collect();
        let wrong: Vec<_> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let kept = |name: &str| matches!(name, "site" | "subdomain" | "email");
        let entered: Vec<_> =
            case.entered.iter().zip(wrong).map(|(right, wrong)| if kept(right.0) { *right } else { wrong }).collect();
        assert_eq!(case.enter(&engine, &entered).await, Err("CREDENTIAL_REFUSED"), "{}", case.connector);
        assert_eq!(case.account(&engine).await.status, Status::PendingAuth);
    }
}

#[tokio::test]
async fn every_input_of_a_form_says_where_to_find_its_value() {
    for case in &CASES {
        let engine = case.engine().await;
        let token = case.link(&engine).await;
        let Asks::Credential { fields, .. } = engine.link_page(&token).await.unwrap().asks else {
            panic!("{} asks for a credential", case.connector)
        };
        for field in fields.iter().filter(|field| field.secret) {
            assert!(field.help.is_some() && field.help_url.is_some(), "{} {}", case.connector, field.name);
        }
    }
}

impl Case {
    /// An environment with this provider outside. Where the key is the connector's default, nothing is set up.
    async fn engine(&'static self) -> Arc<Engine> {
        let parts = Parts {
            store: Arc::new(SqliteStore::open(Location::Memory).unwrap()),
            journal: Journal::memory(),
            entries: Vec::new(),
            egress: Arc::new(Keyed(self)),
            clock: Arc::new(ManualClock::at(START)),
            random: Arc::new(SystemRandom),
        };
        let fields = self.settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let declared = self.method.map(|method| NewConnection {
            auth_method: Some(method.into()),
            fields,
            ..clientless(self.connector)
        });
        let settings = Settings { connections: declared.into_iter().collect(), ..settings() };
        Engine::assemble(settings, parts).await.unwrap()
    }

    async fn link(&self, engine: &Engine) -> String {
        let account = account(self.connector, "user_1");
        let new = NewLink { account, scopes: None, user_verify_url: None, state: None };
        token_of(&engine.authorization_link(new).await.unwrap())
    }

    async fn enter(&self, engine: &Arc<Engine>, entered: &[(&str, &str)]) -> Result<(), &'static str> {
        let fields: IndexMap<_, _> =
            entered.iter().map(|(name, value)| ((*name).to_owned(), Secret::from(*value))).collect();
        match engine.submit(&self.link(engine).await, fields).await.unwrap() {
            Submitted::Accepted { .. } => Ok(()),
            Submitted::Refused(error) => Err(error.code()),
            Submitted::Invalid(complaints) => panic!("{}: {complaints:?}", self.connector),
        }
    }

    async fn account(&self, engine: &Engine) -> Account {
        engine.account(&account(self.connector, "user_1")).await.unwrap()
    }

    /// What the provider answers: 401 to everything that is not to the letter.
    fn answer(&self, address: &str, headers: &HeaderMap) -> (u16, &'static str) {
        let (base, query) = self.api;
        let shown = |name: &str| headers.get_all(name).iter().map(|it| it.to_str().unwrap()).collect::<Vec<_>>();
        let right_headers = self.headers.iter().all(|(name, value)| shown(name) == [*value]);
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        match address.strip_prefix(base).and_then(|path| path.strip_suffix(&query)) {
            Some(path) if right_headers && path == self.probe.0 => (200, self.probe.1),
            Some("/some/call") if right_headers => (200, "{}"),
            _ => (401, "{}"),
        }
    }
}

/// A provider that knows one key.
struct Keyed(&'static Case);

#[async_trait]
impl Egress for Keyed {
    async fn open(&self, request: Request<Outgoing>, _: Duration) -> Result<Response<Incoming>, Failure> {
        let (status, body) = self.0.answer(&request.uri().to_string(), request.headers());
        let mut response = Response::new(Incoming::whole(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        Ok(response)
    }
}
