//! What must hold for any bytes at all, as functions that panic where it doesn't.
//!
//! The fuzzers in `fuzz/` drive them, one target each. The test below gives each every file of its corpus, so that what
//! a fuzzer once found stays found without one. Compiled for those two alone.

use std::{collections::BTreeSet, sync::OnceLock};

use http::{HeaderMap, HeaderValue, StatusCode};
use indexmap::IndexMap;
use percent_encoding::percent_decode_str;
use url::{Url, form_urlencoded};

use crate::{
    Error, Result,
    catalogue::load::{connector_from_toml, lint_toml},
    egress::{
        headers::{answer_headers, caller_headers},
        target::Target,
    },
    oauth::{
        ClientAuth, Encoding, Pkce, Registration, ResponsePaths,
        callback::{Answer, Callback},
        document::Document,
        outcome::{Outcome, TokenAnswer, classify},
        token_response::salvage_refresh_token,
    },
    random::Random,
    secret::ExposeSecret,
    time::Timestamp,
    vault::{DataKey, Place, RootKey, Vault},
};

/// A callback's query has one meaning, whatever the order of its parameters, and none once a parameter that counts
/// stands there twice (A31).
pub fn callback(query: &[u8]) {
    let mut parameters: Vec<(String, String)> = form_urlencoded::parse(query).into_owned().collect();
    let meaning = meaning(&parameters);
    if meaning.is_some() {
        for name in ["code", "state", "iss", "error"] {
            if let Some(one) = parameters.iter().find(|(known, _)| known == name).cloned() {
                let doubled = [&parameters[..], &[one]].concat();
                assert!(Callback::parse(&doubled, "code").is_err(), "`{name}` counts and stood there twice");
            }
        }
    }
    parameters.reverse();
    assert_eq!(self::meaning(&parameters), meaning, "the order decides");
}

/// What a callback says: its state, its issuer, its answer.
fn meaning(parameters: &[(String, String)]) -> Option<[String; 3]> {
    let callback = Callback::parse(parameters, "code").ok()?;
    let answer = match &callback.answer {
        Answer::Code(code) => format!("code {}", code.expose_secret()),
        Answer::Refused(error) => format!("refused {error:?}"),
        Answer::Error(error) => format!("error {error:?}"),
    };
    Some([callback.state.expose_secret().to_owned(), format!("{:?}", callback.iss), answer])
}

/// A connector file loads exactly when it breaks no binding rule, and otherwise the error says which file to mend.
pub fn connector(file: &[u8]) {
    let text = String::from_utf8_lossy(file);
    let findings = lint_toml("fuzzed", "fuzzed.toml", &text);
    let loaded = connector_from_toml("fuzzed", "fuzzed.toml", &text);
    assert_eq!(loaded.is_err(), findings.iter().any(|finding| finding.rule.is_binding()), "{findings:?}");
    let names_file = |place: &str| place.starts_with("fuzzed.toml") || place.starts_with("families/");
    match loaded {
        Ok(connector) => drop(format!("{connector:?}")),
        Err(Error::ConnectorInvalid { problem }) => assert!(names_file(&problem), "{problem}"),
        Err(error) => panic!("{error}"),
    }
    assert!(findings.iter().all(|finding| names_file(&finding.to_string())), "{findings:?}");
}

/// Of a caller's headers and an answer's, none passes that speaks for the connection or belongs to one hop (A51). Each
/// line is a header.
pub fn headers(lines: &[u8]) {
    let text = String::from_utf8_lossy(lines);
    let pairs = text.split('\n').filter_map(|line| line.split_once(':'));
    let given: Vec<(String, String)> = pairs.map(|(name, value)| (name.into(), value.into())).collect();

    let parsed = |(name, value): &(String, String)| Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?));
    let all: HeaderMap = given.iter().filter_map(parsed).collect();

    if let Ok(passed) = caller_headers(&given, &["X-Api-Key"]) {
        let kept_back = "x-api-key authorization cookie host content-length accept-encoding expect forwarded via \
            x-forwarded-for x-real-ip x-http-method-override x-original-url";
        refuse_all(&passed, &all, kept_back);
        assert!(passed.values().all(|value| value.as_bytes().is_ascii()));
    }
    refuse_all(&answer_headers(all.clone()), &all, "set-cookie set-cookie2");
}

/// Fails if a header is among `passed` that is named in `kept_back`, is hop-by-hop, or that one of `all` nominated.
fn refuse_all(passed: &HeaderMap, all: &HeaderMap, kept_back: &str) {
    let hop_by_hop = "connection keep-alive proxy-authorization proxy-connection te trailer transfer-encoding upgrade";
    let mut refused: BTreeSet<String> = [kept_back, hop_by_hop].join(" ").split_whitespace().map(plain).collect();
    let nominations = all.get_all("connection").iter().filter_map(|value| value.to_str().ok());
    refused.extend(nominations.flat_map(|list| list.split(',')).map(plain));
    let name = passed.keys().map(|name| plain(name.as_str())).find(|name| refused.contains(name));
    assert_eq!(name, None, "it passed");
}

/// A header's name as the most careless server reads it.
fn plain(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace('_', "-")
}

/// A cell opens only if sealing gives it: no byte of it can be other than it is (A88, A89, A99).
pub fn sealed_cell(bytes: &[u8]) {
    static OURS: OnceLock<(Vault, DataKey, Vec<u8>)> = OnceLock::new();
    let place = Place { table: "accounts", organization: "acme", row: "ca_1", field: "credential", epoch: 7 };
    let (vault, key, cell) = OURS.get_or_init(|| {
        let vault = Vault::new(RootKey::generate(&Known([7; 32])).expect("it is filled"), "store");
        let (key, _) = vault.new_data_key("acme", &Known([8; 32])).expect("it is filled");
        let cell = vault.seal(&key, &place, b"refresh-1", &Known([9; 32])).expect("it is filled");
        (vault, key, cell)
    });
    let keys = std::slice::from_ref(key);
    let open = |cell: &[u8]| vault.open(keys, &place, cell).ok();

    if let Some(secret) = open(bytes) {
        // The salt stands behind version, suite and key id.
        let salt = *bytes[18..].first_chunk().expect("a cell that opens has a salt");
        let again = vault.seal(key, &place, &secret, &Known(salt)).expect("it is filled");
        assert_eq!(again, bytes, "two cells of one secret and salt");
    }

    let mut changed = cell.clone();
    changed.iter_mut().zip(bytes).for_each(|(byte, change)| *byte ^= change);
    changed.extend(bytes.iter().skip(cell.len()));
    assert_eq!(open(&changed).is_some(), changed == *cell, "a changed cell opened");
}

/// No randomness at all: these bytes over and over.
struct Known([u8; 32]);

impl Random for Known {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        buffer.iter_mut().zip(self.0.into_iter().cycle()).for_each(|(byte, known)| *byte = known);
        Ok(())
    }
}

/// A target is refused, or stays on its base's origin and below its base's path, without the credential's parameter
/// (A41–A43). The first line is the base, the second the path, each other a parameter.
pub fn target(lines: &[u8]) {
    let text = String::from_utf8_lossy(lines);
    let mut lines = text.split('\n');
    let (Some(base), Some(path)) = (lines.next().and_then(|base| Url::parse(base).ok()), lines.next()) else { return };
    let query: Vec<_> = lines.map(|line| line.split_once('=').unwrap_or((line, ""))).collect();
    let query: Vec<_> = query.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let Ok(mut target) = Target::new(&base, path, &query, &["key"]) else { return };

    let url = target.url();
    assert_eq!(url.origin(), base.origin());
    assert!(
        url.origin().is_tuple() && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
    );
    let prefix = base.path().trim_end_matches('/');
    assert!(url.path() == prefix || url.path().starts_with(&format!("{prefix}/")), "{url} is not below {base}");
    assert!(!url.query_pairs().any(|(name, _)| name.eq_ignore_ascii_case("key")), "{url}");
    // What the base itself says is its author's.
    let decoded = percent_decode_str(&url.path()[prefix.len()..]).decode_utf8_lossy();
    assert!(!decoded.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")), "{url}");

    // What the client reads is what was judged.
    let uri = target.uri().expect("it was read before");
    assert_eq!((uri.host(), uri.port_u16()), (url.host_str(), url.port()));
    assert_eq!(uri.path(), url.path());

    target.append("key", "s3cret&a=b#c");
    let pairs: Vec<_> = target.url().query_pairs().into_owned().collect();
    assert_eq!(pairs.last().map(|(name, value)| (name.as_str(), value.as_str())), Some(("key", "s3cret&a=b#c")));
    assert_eq!(pairs.iter().filter(|(name, _)| name == "key").count(), 1);
}

/// A token endpoint's answer never loses a refresh token that arrived whole, and nothing of it reaches a header that
/// cannot (A103, A105, A107).
pub fn token_response(body: &[u8]) {
    for status in [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::BAD_GATEWAY] {
        proves_what_it_must(status, body);
    }
    agrees_with_serde(body);

    // Whatever comes behind a token that is complete, it is recovered; unless its name comes again.
    let json = [br#"{"refresh_token":"refresh-1","#, body].concat();
    assert!(repeats(&json) || salvaged(&json).as_deref() == Some("refresh-1"), "lost behind its closing quote");
    let value: String = form_urlencoded::byte_serialize(body).collect();
    let form = format!("refresh_token=refresh-1&other={value}");
    assert_eq!(salvaged(form.as_bytes()).as_deref(), Some("refresh-1"), "lost behind its ampersand");
    // And nothing that may be cut off is taken for whole.
    let cut = format!(r#"{{"access_token":"{value}","refresh_token":"refresh"#);
    assert_eq!(salvaged(cut.as_bytes()), None, "half a token");
}

/// What an answer means rests on what it says: an account ends by a whole refusal alone, and tokens can be sent.
fn proves_what_it_must(status: StatusCode, body: &[u8]) {
    let headers = HeaderMap::new();
    let received_at = Timestamp::from_millis(1_800_000_000_000);
    let sendable = |token: &str| HeaderValue::from_str(token).is_ok() && !token.contains(char::is_whitespace);
    match classify(TokenAnswer { status, headers: &headers, body, received_at }, &registration(), &[]) {
        Outcome::Ok(tokens) => {
            assert!(status.is_success() && sendable(tokens.access_token.expose_secret()));
            assert!(tokens.refresh_token.is_none_or(|token| sendable(token.expose_secret())));
            assert!(tokens.expires_at.is_none_or(|end| end >= received_at));
        }
        Outcome::Definitive { error } | Outcome::ClientBad { error } => {
            let code = error.code.expect("a verdict needs the provider's own word");
            assert!(!status.is_server_error() && String::from_utf8_lossy(body).contains("error"), "{code}");
        }
        Outcome::Unknown { salvaged: Some(token), .. } => {
            assert!(status.is_success() && sendable(token.expose_secret()));
        }
        Outcome::Transient { .. } | Outcome::Unknown { .. } => {}
    }
}

/// Another reader finds the same refresh token, where it can read the answer at all.
fn agrees_with_serde(body: &[u8]) {
    let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(body) else { return };
    let Some(token) = members.get("refresh_token").and_then(|token| token.as_str()) else { return };
    let few = body.iter().filter(|byte| matches!(byte, b',' | b':')).count() < 500;
    if few && !repeats(body) && !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        assert_eq!(salvaged(body).as_deref(), Some(token), "serde_json finds it");
    }
}

fn repeats(body: &[u8]) -> bool {
    Document::read_beginning(body).repeats("refresh_token")
}

fn salvaged(body: &[u8]) -> Option<String> {
    salvage_refresh_token(body, &registration()).map(|token| token.expose_secret().to_owned())
}

/// A provider without quirks.
fn registration() -> Registration {
    let url = |path: &str| format!("https://provider.test/{path}").parse::<Url>().expect("it is a URL");
    Registration {
        authorize_url: url("authorize"),
        token_url: url("token"),
        refresh_url: None,
        issuer: None,
        client_id: "app".into(),
        client_secret: None,
        redirect_uri: url("callback"),
        client_auth: ClientAuth::None,
        encoding: Encoding::Form,
        pkce: Pkce::S256,
        scopes: Vec::new(),
        scope_separator: " ".into(),
        scope_params: IndexMap::new(),
        authorize_params: IndexMap::new(),
        token_params: IndexMap::new(),
        refresh_params: IndexMap::new(),
        token_headers: IndexMap::new(),
        rename: IndexMap::new(),
        code_param: "code".into(),
        response: ResponsePaths::default(),
        expires_in: None,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, panic::catch_unwind, path::Path};

    use super::*;

    #[track_caller]
    fn withstands(corpus: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(corpus);
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 5, "there is a corpus");
        for file in files {
            let bytes = fs::read(&file).unwrap();
            assert!(catch_unwind(|| target(&bytes)).is_ok(), "{} is not withstood", file.display());
        }
    }

    #[test]
    fn every_target_withstands_its_corpus() {
        withstands("callback", callback);
        withstands("connector", connector);
        withstands("headers", headers);
        withstands("sealed_cell", sealed_cell);
        withstands("target", target);
        withstands("token_response", token_response);
    }
}
