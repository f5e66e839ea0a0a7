//! The rules of the provider, each broken once.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use proptest::prelude::*;
use url::Url;

use super::{
    authorize::Unasked,
    parameters::Parameters,
    token::{Refused, TokenRequest, Tokens},
    *,
};

const REDIRECT_URI: &str = "http://localhost:7415/callback/sandbox";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Counts, so that no two tokens are alike.
#[derive(Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        buffer.fill(0);
        buffer[..8].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        Ok(())
    }
}

/// A provider with two apps, and what a call to it needs.
struct World {
    provider: Provider,
    random: Counting,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let mut provider = Provider::new("http://localhost:7415/sandbox");
        provider.register("app", "app's secret".into(), REDIRECT_URI);
        provider.register("other", "other's secret".into(), "http://localhost:7415/callback/other");
        Self { provider, random: Counting::default(), now: NOW }
    }

    /// The code that a person's consent to `scopes` brings.
    fn code(&mut self, scopes: &[&str]) -> String {
        let request = self.provider.consent_request(&asking(&[])).unwrap();
        let scopes: Vec<_> = scopes.iter().map(ToString::to_string).collect();
        let location = self.provider.allow(&request, "grace", &scopes, self.now, &self.random).unwrap();
        parameter(&location, "code").expect("a code comes back")
    }

    fn token(&mut self, form: &[(&str, &str)]) -> Result<Tokens, Refused> {
        let form = parameters(form);
        self.provider.token(&TokenRequest { authorization: None, form: &form }, self.now, &self.random)
    }

    fn exchange(&mut self, code: &str) -> Result<Tokens, Refused> {
        self.token(&exchanging(code))
    }

    fn refresh(&mut self, token: &str) -> Result<Tokens, Refused> {
        self.token(&refreshing(token))
    }

    fn granted(&mut self) -> Tokens {
        let code = self.code(&["read", "write"]);
        self.exchange(&code).expect("a good code is exchanged")
    }

    fn works(&self, tokens: &Tokens) -> bool {
        self.provider.bearer(&tokens.access_token, self.now).is_some()
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now.plus(duration);
    }
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    Parameters::parse(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().as_bytes())
}

fn challenge() -> String {
    BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()).as_ref())
}

/// A good authorization request, but for `changed`: another value, or none where it is empty.
fn asking(changed: &[(&str, &str)]) -> Parameters {
    let challenge = challenge();
    let good = [
        ("client_id", "app"),
        ("redirect_uri", REDIRECT_URI),
        ("response_type", "code"),
        ("scope", "read write"),
        ("state", "a-state"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let pairs = good.map(|(name, value)| {
        let value = changed.iter().find(|(changed, _)| *changed == name).map_or(value, |(_, value)| value);
        (name, value)
    });
    parameters(&pairs)
}

fn exchanging(code: &str) -> [(&str, &str); 6] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("client_secret", "app's secret"),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("code", code),
    ]
}

fn refreshing(token: &str) -> [(&str, &str); 4] {
    [("grant_type", "refresh_token"), ("client_id", "app"), ("client_secret", "app's secret"), ("refresh_token", token)]
}

/// The same form, with other values.
fn but<const N: usize>(mut form: [(&str, &str); N], name: &str, value: &'static str) -> Vec<(String, String)> {
    form.iter_mut().filter(|(key, _)| *key == name).for_each(|pair| pair.1 = value);
    form.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn as_pairs(form: &[(String, String)]) -> Vec<(&str, &str)> {
    form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn parameter(location: &Url, name: &str) -> Option<String> {
    location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The name of the error that a request was refused with.
fn error(result: Result<Tokens, Refused>) -> (u16, &'static str) {
    match result {
        Err(Refused::Answered { status, error, .. }) => (status.as_u16(), error),
        Err(Refused::Broken(error)) => panic!("{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[test]
fn a_person_who_consents_gives_tokens_that_work() {
    let mut world = World::new();
    let tokens = world.granted();
    let caller = world.provider.bearer(&tokens.access_token, NOW).unwrap();
    assert_eq!((caller.user.as_str(), caller.permissions.join(" ").as_str()), ("grace", "read write"));
    let again = world.refresh(&tokens.refresh_token).ok().unwrap();
    assert!(world.works(&again) && again.access_token != tokens.access_token);
}

#[test]
fn an_address_that_is_not_registered_to_the_letter_hears_nothing() {
    let provider = World::new().provider;
    let elsewhere = [
        "",
        "http://localhost:7415/callback/sandbox/",
        "http://localhost:7415/callback/sandbox?",
        "http://LOCALHOST:7415/callback/sandbox",
        "http://localhost:7415/callback/other",
        "http://localhost:7415/callback/../callback/sandbox",
        "http://evil.test/callback/sandbox",
    ];
    for redirect_uri in elsewhere {
        let unasked = provider.consent_request(&asking(&[("redirect_uri", redirect_uri)])).unwrap_err();
        assert!(matches!(unasked, Unasked::Shown(_)), "{redirect_uri}");
    }
    for client_id in ["", "nobody", "APP", "other"] {
        let unasked = provider.consent_request(&asking(&[("client_id", client_id)])).unwrap_err();
        assert!(matches!(unasked, Unasked::Shown(_)), "{client_id}");
    }
}

#[test]
fn an_app_may_leave_the_last_part_of_its_address_open() {
    let mut provider = World::new().provider;
    provider.register("app", "".into(), "http://localhost:7415/open/");
    let ask = |page: &str| {
        let redirect_uri = format!("http://localhost:7415/open/{page}");
        provider.consent_request(&asking(&[("redirect_uri", &redirect_uri)])).is_ok()
    };
    for page in ["", "gmail", "acme~gmail", "o%2F1~gmail"] {
        assert!(ask(page), "{page}");
    }
    for page in ["..", ".", "%2e%2e", "a/b", "\\a", "a?b", "a#b", "a b"] {
        assert!(!ask(page), "{page}");
    }
}

#[test]
fn a_request_that_is_not_as_it_must_be_is_sent_back() {
    let provider = World::new().provider;
    let broken = [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", VERIFIER, "invalid_request"),
        ("scope", "", "invalid_scope"),
    ];
    for (name, value, expected) in broken {
        let Unasked::Returned(location) = provider.consent_request(&asking(&[(name, value)])).unwrap_err() else {
            panic!("{name}={value} is shown")
        };
        assert_eq!(parameter(&location, "error").as_deref(), Some(expected), "{name}={value}");
        assert_eq!(parameter(&location, "state").as_deref(), Some("a-state"));
        assert_eq!(parameter(&location, "iss").as_deref(), Some("http://localhost:7415/sandbox"));
    }
}

#[test]
fn whoever_allows_nothing_has_refused() {
    let mut world = World::new();
    let request = world.provider.consent_request(&asking(&[])).unwrap();
    let refused = world.provider.refuse(&request);
    assert_eq!(parameter(&refused, "error").as_deref(), Some("access_denied"));
    let nothing = world.provider.allow(&request, "grace", &["admin".into()], NOW, &world.random).unwrap();
    assert_eq!(nothing, refused);
}

#[test]
fn a_code_is_exchanged_only_as_it_was_given() {
    let broken = [
        ("client_secret", "wrong", (401, "invalid_client")),
        ("client_secret", "", (401, "invalid_client")),
        ("client_id", "nobody", (401, "invalid_client")),
        ("redirect_uri", "", (400, "invalid_grant")),
        ("redirect_uri", "http://localhost:7415/callback/other", (400, "invalid_grant")),
        ("code_verifier", "", (400, "invalid_request")),
        ("code_verifier", "another-verifier-of-forty-three-characters-", (400, "invalid_grant")),
        ("code", "", (400, "invalid_request")),
        ("code", "another", (400, "invalid_grant")),
        ("grant_type", "", (400, "invalid_request")),
        ("grant_type", "password", (400, "unsupported_grant_type")),
    ];
    for (name, value, expected) in broken {
        let mut world = World::new();
        let code = world.code(&["read"]);
        let form = but(exchanging(&code), name, value);
        assert_eq!(error(world.token(&as_pairs(&form))), expected, "{name}={value}");
    }
}

#[test]
fn a_code_is_not_another_apps() {
    let mut world = World::new();
    let code = world.code(&["read"]);
    let mut form = exchanging(&code);
    (form[1].1, form[2].1) = ("other", "other's secret");
    assert_eq!(error(world.token(&form)), (400, "invalid_grant"));
    assert!(world.exchange(&code).is_ok(), "the attempt of another costs its owner nothing");
}

#[test]
fn a_code_lives_a_minute_and_one_wrong_try() {
    let mut world = World::new();
    let code = world.code(&["read"]);
    world.pass(CODE_LIFE);
    assert_eq!(error(world.exchange(&code)), (400, "invalid_grant"));

    let code = world.code(&["read"]);
    let form = but(exchanging(&code), "code_verifier", "another-verifier-of-forty-three-characters-");
    assert_eq!(error(world.token(&as_pairs(&form))), (400, "invalid_grant"));
    assert_eq!(error(world.exchange(&code)), (400, "invalid_grant"));
}

#[test]
fn a_code_that_comes_again_costs_what_it_brought() {
    let mut world = World::new();
    let code = world.code(&["read"]);
    let tokens = world.exchange(&code).ok().unwrap();
    let later = world.refresh(&tokens.refresh_token).ok().unwrap();
    assert_eq!(error(world.exchange(&code)), (400, "invalid_grant"));
    assert!(!world.works(&tokens) && !world.works(&later));
    assert_eq!(error(world.refresh(&later.refresh_token)), (400, "invalid_grant"));
}

#[test]
fn a_refresh_token_that_comes_again_costs_its_family_and_no_other() {
    let mut world = World::new();
    let (first, other) = (world.granted(), world.granted());
    let second = world.refresh(&first.refresh_token).ok().unwrap();
    assert_eq!(error(world.refresh(&first.refresh_token)), (400, "invalid_grant"));
    assert!(!world.works(&second));
    assert_eq!(error(world.refresh(&second.refresh_token)), (400, "invalid_grant"));
    assert!(world.works(&other) && world.refresh(&other.refresh_token).is_ok());
}

#[test]
fn a_refresh_token_is_not_another_apps() {
    let mut world = World::new();
    let tokens = world.granted();
    let mut form = refreshing(&tokens.refresh_token);
    (form[1].1, form[2].1) = ("other", "other's secret");
    assert_eq!(error(world.token(&form)), (400, "invalid_grant"));
    assert!(world.refresh(&tokens.refresh_token).is_ok());
}

#[test]
fn an_app_proves_itself_in_one_place_by_header_or_form() {
    let mut world = World::new();
    let basic = format!("Basic {}", BASE64.encode(b"app:app%27s+secret"));
    let asked = |form: &[(&str, &str)], world: &mut World, header: &str| {
        let form = parameters(form);
        world.provider.token(&TokenRequest { authorization: Some(header), form: &form }, NOW, &world.random)
    };
    let tokens = world.granted();
    let form = refreshing(&tokens.refresh_token);
    assert_eq!(error(asked(&form, &mut world, &basic)), (400, "invalid_request"), "both");
    let without = [form[0], form[3]];
    assert_eq!(error(asked(&without, &mut world, "Basic !")), (401, "invalid_client"));
    assert_eq!(error(asked(&without, &mut world, "Bearer x")), (401, "invalid_client"));
    assert!(asked(&without, &mut world, &basic).is_ok());
    assert_eq!(error(world.token(&[form[0], form[3]])), (401, "invalid_client"), "neither");
}

#[test]
fn a_parameter_that_is_repeated_is_refused() {
    let mut world = World::new();
    let tokens = world.granted();
    let mut form = refreshing(&tokens.refresh_token).to_vec();
    form.push(("refresh_token", "another"));
    assert_eq!(error(world.token(&form)), (400, "invalid_request"));
    let twice = Parameters::parse(b"client_id=app&client_id=app");
    assert!(matches!(world.provider.consent_request(&twice), Err(Unasked::Shown(_))));
}

#[test]
fn a_refresh_never_brings_more_than_was_allowed() {
    let mut world = World::new();
    let code = world.code(&["read"]);
    let tokens = world.exchange(&code).ok().unwrap();
    assert_eq!(tokens.scopes, ["read"]);
    let mut form = refreshing(&tokens.refresh_token).to_vec();
    form.push(("scope", "read write"));
    assert_eq!(error(world.token(&form)), (400, "invalid_scope"));
    world.provider.narrow(Whose::Everyones, &[]);
    assert!(world.refresh(&tokens.refresh_token).ok().unwrap().scopes.is_empty());
}

#[test]
fn tokens_end_with_time_and_with_their_grant() {
    let mut world = World::new();
    let tokens = world.granted();
    world.pass(ACCESS_TOKEN_LIFE);
    assert!(!world.works(&tokens));
    let tokens = world.refresh(&tokens.refresh_token).ok().unwrap();
    world.provider.expire_access_tokens(Whose::Of { redirect_uri: REDIRECT_URI, user: "somebody else" });
    assert!(world.works(&tokens));
    world.provider.expire_access_tokens(Whose::Of { redirect_uri: REDIRECT_URI, user: "grace" });
    assert!(!world.works(&tokens));
    let tokens = world.refresh(&tokens.refresh_token).ok().unwrap();
    world.provider.revoke(Whose::Everyones);
    assert!(!world.works(&tokens));
    assert_eq!(error(world.refresh(&tokens.refresh_token)), (400, "invalid_grant"));
}

#[test]
fn an_app_ends_its_own_tokens_alone() {
    let mut world = World::new();
    let tokens = world.granted();
    let revoke = |world: &mut World, id: &str, secret: &str, token: &str| {
        let form = parameters(&[("client_id", id), ("client_secret", secret), ("token", token)]);
        world.provider.revoke_token(&TokenRequest { authorization: None, form: &form })
    };
    assert!(revoke(&mut world, "other", "other's secret", &tokens.refresh_token).is_err());
    assert!(revoke(&mut world, "app", "wrong", &tokens.refresh_token).is_err());
    assert!(world.works(&tokens));
    assert!(revoke(&mut world, "app", "app's secret", "unknown").is_ok());
    assert!(revoke(&mut world, "app", "app's secret", &tokens.access_token).is_ok());
    assert!(!world.works(&tokens));
    let tokens = world.refresh(&tokens.refresh_token).ok().unwrap();
    assert!(revoke(&mut world, "app", "app's secret", &tokens.refresh_token).is_ok());
    assert!(!world.works(&tokens) && world.refresh(&tokens.refresh_token).is_err());
}

#[test]
fn a_key_works_until_it_is_taken_back() {
    let mut world = World::new();
    let key = world.provider.issue_key("grace", &["read".into()], &world.random).unwrap();
    assert_eq!(world.provider.key(&key).unwrap().user, "grace");
    assert_eq!(world.provider.key("sandbox-key-unknown"), None);
    world.provider.revoke_keys(Some("somebody else"));
    assert!(world.provider.key(&key).is_some());
    world.provider.revoke_keys(Some("grace"));
    assert_eq!(world.provider.key(&key), None);
    assert!(world.provider.key(access::DEMO_KEY).is_some());
}

proptest! {
    /// Whatever an app sends, in whatever order, a family has one refresh token that works, or none.
    #[test]
    fn a_family_never_has_two_refresh_tokens_that_work(choices in proptest::collection::vec(any::<prop::sample::Index>(), 1..20)) {
        let mut world = World::new();
        let mut issued = vec![world.granted().refresh_token];
        for choice in choices {
            let sent = choice.get(&issued).clone();
            let was_last = issued.last() == Some(&sent);
            match world.refresh(&sent) {
                Ok(tokens) => {
                    prop_assert!(was_last, "a superseded token brought new ones");
                    issued.push(tokens.refresh_token);
                }
                Err(_) => prop_assert!(world.provider.grants.is_empty(), "what betrays a theft ends the family"),
            }
            let live = world.provider.refresh_tokens.iter().filter(|(token, id)| {
                world.provider.grants.get(id).is_some_and(|grant| grant.refresh_token == **token)
            });
            prop_assert!(live.count() <= 1);
        }
    }
}
