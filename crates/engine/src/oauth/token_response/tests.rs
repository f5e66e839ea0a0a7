use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::oauth::{ResponsePaths, tests::registration};

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

fn reading(registration: &Registration, body: &str) -> Result<TokenSet, Unusable> {
    read(body.as_bytes(), registration, &registration.scopes, NOW)
}

fn plain(body: &str) -> Result<TokenSet, Unusable> {
    reading(&registration(), body)
}

fn problem(body: &str) -> Option<Unusable> {
    plain(body).err()
}

fn exposed(secret: &Option<Secret>) -> Option<&str> {
    secret.as_ref().map(ExposeSecret::expose_secret)
}

fn with_paths(paths: ResponsePaths) -> Registration {
    Registration { response: paths, ..registration() }
}

/// One provider's answer and what it means.
struct Quirk {
    provider: &'static str,
    registration: Registration,
    body: &'static str,
    access_token: &'static str,
    refresh_token: Option<&'static str>,
    life: Option<u64>,
    scopes: &'static [&'static str],
    kept: &'static [(&'static str, &'static str)],
}

fn quirks() -> Vec<Quirk> {
    let asked: &[&str] = &["read", "write:all"];
    vec![
        Quirk {
            provider: "Slack's bot: its own token type, a comma, no expiry",
            registration: registration(),
            body: r#"{"ok":true,"access_token":"xoxb-1","token_type":"bot","scope":"chat:write,channels:read",
                "bot_user_id":"U1","team":{"id":"T1"},"authed_user":{"id":"U2","access_token":"xoxp-1","token_type":"user"}}"#,
            access_token: "xoxb-1",
            refresh_token: None,
            life: None,
            scopes: &["chat:write", "channels:read"],
            kept: &[("team.id", "T1"), ("bot_user_id", "U1"), ("authed_user.access_token", "xoxp-1")],
        },
        Quirk {
            provider: "Slack's person: nested, with rotation",
            registration: with_paths(ResponsePaths {
                access_token: Some("authed_user.access_token".into()),
                refresh_token: Some("authed_user.refresh_token".into()),
                expires_in: Some("authed_user.expires_in".into()),
                scope: Some("authed_user.scope".into()),
                ..ResponsePaths::default()
            }),
            body: r#"{"ok":true,"token_type":"bot","access_token":"xoxb-1","scope":"a","authed_user":{"access_token":"xoxe.xoxp-1",
                "refresh_token":"xoxe-1","expires_in":43200,"scope":"search:read","token_type":"user"}}"#,
            access_token: "xoxe.xoxp-1",
            refresh_token: Some("xoxe-1"),
            life: Some(43_200),
            scopes: &["search:read"],
            kept: &[],
        },
        Quirk {
            provider: "GitHub: a form, unless asked",
            registration: registration(),
            body: "access_token=ghu_1&expires_in=28800&refresh_token=ghr_1&refresh_token_expires_in=15811200&scope=&token_type=bearer",
            access_token: "ghu_1",
            refresh_token: Some("ghr_1"),
            life: Some(28_800),
            scopes: asked,
            kept: &[("refresh_token_expires_in", "15811200")],
        },
        Quirk {
            provider: "Withings: all within `body`",
            registration: with_paths(ResponsePaths {
                access_token: Some("body.access_token".into()),
                refresh_token: Some("body.refresh_token".into()),
                expires_in: Some("body.expires_in".into()),
                scope: Some("body.scope".into()),
                ..ResponsePaths::default()
            }),
            body: r#"{"status":0,"body":{"userid":"363","access_token":"w1","refresh_token":"w2","scope":"user.info,user.metrics",
                "expires_in":10800,"token_type":"Bearer"}}"#,
            access_token: "w1",
            refresh_token: Some("w2"),
            life: Some(10_800),
            scopes: &["user.info", "user.metrics"],
            kept: &[("body.userid", "363")],
        },
        Quirk {
            provider: "Salesforce: no expiry, a host of its own",
            registration: registration(),
            body: r#"{"access_token":"00D!x","refresh_token":"5Aep","instance_url":"https://acme.my.salesforce.com",
                "id":"https://login.salesforce.com/id/00D/005","issued_at":"1767225600000","scope":"refresh_token api","token_type":"Bearer"}"#,
            access_token: "00D!x",
            refresh_token: Some("5Aep"),
            life: None,
            scopes: &["refresh_token", "api"],
            kept: &[("instance_url", "https://acme.my.salesforce.com")],
        },
        Quirk {
            provider: "Zoho: no refresh token on a refresh",
            registration: registration(),
            body: r#"{"access_token":"1000.z","api_domain":"https://www.zohoapis.eu","token_type":"Bearer","expires_in":3600}"#,
            access_token: "1000.z",
            refresh_token: None,
            life: Some(3600),
            scopes: asked,
            kept: &[("api_domain", "https://www.zohoapis.eu")],
        },
        Quirk {
            provider: "QuickBooks: a second expiry",
            registration: registration(),
            body: r#"{"x_refresh_token_expires_in":8726400,"refresh_token":"AB1","access_token":"eyJ","token_type":"bearer","expires_in":3600}"#,
            access_token: "eyJ",
            refresh_token: Some("AB1"),
            life: Some(3600),
            scopes: asked,
            kept: &[],
        },
        Quirk {
            provider: "Square: RFC 3339",
            registration: registration(),
            body: r#"{"access_token":"EAAA","token_type":"bearer","expires_at":"2026-01-31T00:00:00Z","merchant_id":"MLE","refresh_token":"EQAA"}"#,
            access_token: "EAAA",
            refresh_token: Some("EQAA"),
            life: Some(30 * 86_400),
            scopes: asked,
            kept: &[("merchant_id", "MLE")],
        },
        Quirk {
            provider: "Bullhorn's session: its own names",
            registration: Registration {
                expires_in: Some(600),
                ..with_paths(ResponsePaths { access_token: Some("BhRestToken".into()), ..ResponsePaths::default() })
            },
            body: r#"{"BhRestToken":"b-1","restUrl":"https://rest.bullhornstaffing.com/rest-services/e9/"}"#,
            access_token: "b-1",
            refresh_token: None,
            life: Some(600),
            scopes: asked,
            kept: &[("restUrl", "https://rest.bullhornstaffing.com/rest-services/e9/")],
        },
        Quirk {
            provider: "Mailchimp: nothing ends",
            registration: registration(),
            body: r#"{"access_token":"mc","expires_in":0,"scope":null}"#,
            access_token: "mc",
            refresh_token: None,
            life: None,
            scopes: asked,
            kept: &[],
        },
        Quirk {
            provider: "TikTok Ads: within `data`, ids in a list, scopes as numbers",
            registration: with_paths(ResponsePaths {
                access_token: Some("data.access_token".into()),
                scope: Some("data.scope".into()),
                ..ResponsePaths::default()
            }),
            body: r#"{"code":0,"message":"OK","data":{"access_token":"tt","advertiser_ids":["7001","7002"],"scope":[4,5]}}"#,
            access_token: "tt",
            refresh_token: None,
            life: None,
            scopes: asked,
            kept: &[("data.advertiser_ids.1", "7002")],
        },
        Quirk {
            provider: "Linear: scopes as a list",
            registration: registration(),
            body: r#"{"access_token":"lin","token_type":"Bearer","expires_in":"86399","scope":["read","write"],"refresh_token":"lr"}"#,
            access_token: "lin",
            refresh_token: Some("lr"),
            life: Some(86_399),
            scopes: &["read", "write"],
            kept: &[],
        },
    ]
}

#[test]
fn every_providers_way_of_answering_is_read() {
    for quirk in quirks() {
        let name = quirk.provider;
        let tokens = reading(&quirk.registration, quirk.body).expect(name);
        assert_eq!(tokens.access_token.expose_secret(), quirk.access_token, "{name}");
        assert_eq!(exposed(&tokens.refresh_token), quirk.refresh_token, "{name}");
        assert_eq!(tokens.expires_at, quirk.life.map(|life| NOW.plus(Duration::from_secs(life))), "{name}");
        assert_eq!(tokens.scopes, quirk.scopes, "{name}");
        for (path, value) in quirk.kept {
            assert_eq!(tokens.kept(path), Some(*value), "{name}: {path}");
        }
        assert!(!format!("{tokens:?}").contains(quirk.access_token), "{name}");
    }
}

// A108
#[test]
fn a_refresh_token_is_replaced_only_by_another_one() {
    for (member, expected) in [
        ("", None),
        (r#","refresh_token":"""#, None),
        (r#","refresh_token":null"#, None),
        (r#","refresh_token":false"#, None),
        (r#","refresh_token":7"#, None),
        (r#","refresh_token":["r"]"#, None),
        (r#","refresh_token":"r2""#, Some("r2")),
    ] {
        let tokens = plain(&format!(r#"{{"access_token":"a"{member}}}"#)).unwrap();
        assert_eq!(exposed(&tokens.refresh_token), expected, "{member}");
    }
}

// A105
#[test]
fn a_body_without_tokens_brings_none() {
    for (body, expected) in [
        ("", Unusable::NoDocument),
        ("<html><title>Log in</title></html>", Unusable::NoDocument),
        ("OK", Unusable::NoDocument),
        ("null", Unusable::NoDocument),
        ("{}", Unusable::NoAccessToken),
        ("[]", Unusable::NoAccessToken),
        ("token=x", Unusable::NoAccessToken),
        (r#"{"access_token":""}"#, Unusable::NoAccessToken),
        (r#"{"access_token":null}"#, Unusable::NoAccessToken),
        (r#"{"access_token":42}"#, Unusable::NoAccessToken),
        (r#"{"access_token":"a""#, Unusable::Broken),
        (r#"{"access_token":"a"} trailing"#, Unusable::Broken),
    ] {
        assert_eq!(problem(body), Some(expected), "{body:?}");
    }
}

// A107
#[test]
fn a_token_that_no_header_may_carry_is_refused() {
    for bad in ["a\\r\\nX: y", "a\\u0000", "a b", "\\u00e9", "\\ud800", "a\\u007f"] {
        assert_eq!(problem(&format!(r#"{{"access_token":"{bad}"}}"#)), Some(Unusable::Unsendable), "{bad}");
        let body = format!(r#"{{"access_token":"a","refresh_token":"{bad}"}}"#);
        assert_eq!(problem(&body), Some(Unusable::Unsendable), "{bad}");
    }
    assert_eq!(problem("access_token=a%0d%0ab"), Some(Unusable::Unsendable));
    let sized = |size: usize| format!(r#"{{"access_token":"{}"}}"#, "a".repeat(size));
    assert_eq!(problem(&sized(64 * 1024)), None);
    assert_eq!(problem(&sized(64 * 1024 + 1)), Some(Unusable::Unsendable));
    assert_eq!(problem(&sized(1024 * 1024)), Some(Unusable::Unsendable));
}

// A107
#[test]
fn a_value_given_twice_is_never_chosen() {
    for name in ["access_token", "refresh_token", "scope", "token_type"] {
        let body = format!(r#"{{"access_token":"a","{name}":"bearer","{name}":"bearer"}}"#);
        assert_eq!(problem(&body), Some(Unusable::Repeated), "{name}");
    }
    assert_eq!(problem("access_token=a&access_token=b"), Some(Unusable::Repeated));
    assert_eq!(problem(r#"{"access_token":"a","note":1,"note":2}"#), None);
}

// A110, C25
#[test]
fn a_token_of_a_type_that_is_used_otherwise_is_unusable() {
    for (kind, expected) in [
        (r#""bearer""#, None),
        (r#""BEARER""#, None),
        (r#""User Access Token""#, None),
        (r#""""#, None),
        ("null", None),
        (r#""DPoP""#, Some(Unusable::UnknownType)),
        (r#""mac""#, Some(Unusable::UnknownType)),
        (r#""N_A""#, Some(Unusable::UnknownType)),
        ("7", Some(Unusable::UnknownType)),
    ] {
        assert_eq!(problem(&format!(r#"{{"access_token":"a","token_type":{kind}}}"#)), expected, "{kind}");
    }
}

#[test]
fn a_claim_of_the_id_token_can_be_kept() {
    let payload = BASE64URL_NOPAD.encode(br#"{"tid":"72f9","https://slack.com/team_id":"T1","n":{"a":1}}"#);
    let tokens = plain(&format!(r#"{{"access_token":"a","id_token":"e30.{payload}.sig"}}"#)).unwrap();
    assert_eq!(tokens.id_token_claim("tid").as_deref(), Some("72f9"));
    assert_eq!(tokens.id_token_claim("https://slack.com/team_id").as_deref(), Some("T1"));
    assert_eq!(tokens.id_token_claim("n.a").as_deref(), Some("1"));
    for odd in ["", "x", "a.b", "a.!.c", &format!("a.{payload}"), &format!("a.{payload}.c.d"), "a.e30.c"] {
        assert_eq!(id_token_claim(&(*odd).into(), "tid"), None, "{odd}");
    }
}

#[test]
fn a_refresh_token_beside_an_unusable_access_token_is_salvaged() {
    for body in [
        r#"{"access_token":"a","access_token":"b","refresh_token":"r2"}"#,
        r#"{"refresh_token":"r2","access_token":"a"#,
        r#"{"refresh_token":"r2","token_type":"DPoP","access_token":"a"}"#,
        r#"{"refresh_token":"r2"}<!-- served by 7 -->"#,
        r#"<b>Warning</b>: in token.php on line 7 {"refresh_token":"r2"}"#,
        r#")]}',{"refresh_token":"r2"}"#,
        "refresh_token=r2&access_token=a",
    ] {
        assert_eq!(exposed(&salvage_refresh_token(body.as_bytes(), &registration())), Some("r2"), "{body}");
    }
    for body in [
        "refresh_token=r2",
        "access_token=a&refresh_token=r2",
        r#"{"refresh_token":"r2\"#,
        r#"{"refresh_token":"r2","refresh_token":"r3"}"#,
        r#"<script>let page = {}</script>{"refresh_token":"r2"}"#,
        r#"{"nested":{"refresh_token":"r2"}}"#,
        r#"{"note":"\"refresh_token\":\"r2\","}"#,
        r#"{"refresh_token":"a\r\nb"}"#,
    ] {
        assert_eq!(exposed(&salvage_refresh_token(body.as_bytes(), &registration())), None, "{body}");
    }
}

proptest! {
    // A105, F27
    #[test]
    fn a_refresh_token_that_had_arrived_whole_is_never_lost(
        before in prop::collection::btree_map("[a-q]{1,4}", "\\PC{0,6}", 0..4),
        after in prop::collection::btree_map("[a-q]{1,4}", "\\PC{0,6}", 0..4),
        refresh_token in "[!-~]{1,20}",
        nested in any::<bool>(),
    ) {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let members = |members: std::collections::BTreeMap<String, String>| {
            members.iter().map(|(name, value)| format!("{}:{}", text(name), text(value))).collect::<Vec<_>>()
        };
        let mut registration = registration();
        let (open, close) = if nested { (r#"{"data":{"#, "}}") } else { ("{", "}") };
        if nested {
            registration.response.refresh_token = Some("data.refresh_token".into());
        }
        let mut parts = members(before);
        parts.push(format!(r#""refresh_token":{}"#, text(&refresh_token)));
        let complete = open.len() + parts.join(",").len();
        parts.extend(members(after).into_iter().filter(|member| !parts.iter().any(|part| part[..3] == member[..3])).collect::<Vec<_>>());
        let body = format!("{open}{}{close}", parts.join(","));
        for cut in 0..=body.len() {
            let salvaged = salvage_refresh_token(&body.as_bytes()[..cut], &registration);
            let expected = (cut >= complete).then_some(refresh_token.as_str());
            prop_assert_eq!(exposed(&salvaged), expected, "cut at {} of {}", cut, body);
        }
    }

    #[test]
    fn a_form_gives_a_refresh_token_only_before_another_pair(token in "[!-~]{1,20}", cut in any::<prop::sample::Index>()) {
        let pair = url::form_urlencoded::Serializer::new(String::new()).append_pair("refresh_token", &token).finish();
        let body = format!("access_token=a&{pair}&scope=x");
        let cut = cut.index(body.len() + 1);
        let complete = "access_token=a&".len() + pair.len() + 1;
        let salvaged = salvage_refresh_token(&body.as_bytes()[..cut], &registration());
        prop_assert_eq!(exposed(&salvaged), (cut >= complete).then_some(token.as_str()));
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), token in "\\PC{0,20}") {
        let registration = registration();
        for body in [&body[..], format!(r#"{{"access_token":"{token}","expires_at":"{token}"}}"#).as_bytes()] {
            if let Ok(tokens) = read(body, &registration, &[], NOW) {
                prop_assert!(tokens.access_token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()));
            }
            salvage_refresh_token(body, &registration);
        }
        id_token_claim(&Secret::from(token), "sub");
    }
}
