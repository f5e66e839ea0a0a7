//! From files to connectors: families, inheritance, and the catalogue that travels inside the library.
//!
//! A file is `<slug>.toml`. `extends` at its top names a family, which fills in what the file does not say; `extends`
//! inside a method names another method of the same connector. Families are no connectors. The embedded files are
//! parsed when they are asked for; a user's files when they are added, so that a mistake shows at once.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use include_dir::{Dir, include_dir};
use indexmap::IndexMap;
use serde::Deserialize as _;

use super::{
    document::{Fault, Node, Place, Tree},
    lint,
    nearest::{did_you_mean, nearest},
    schema::Connector,
};
use crate::{Error, Result};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../connectors");

/// Every connector there is, by slug.
#[derive(Debug)]
pub struct Catalogue {
    entries: BTreeMap<String, Entry>,
}

/// One connector, perhaps not parsed yet.
#[derive(Debug)]
struct Entry {
    file: String,
    text: Cow<'static, str>,
    connector: OnceLock<Result<Connector>>,
}

impl Catalogue {
    /// The connectors that travel inside the library.
    pub fn embedded() -> Result<Self> {
        let entries = FILES.files().filter_map(|file| {
            let name = file.path().to_str()?;
            let text = file.contents_utf8()?;
            let entry = Entry { file: name.into(), text: text.into(), connector: OnceLock::new() };
            Some((name.strip_suffix(".toml")?.to_owned(), entry))
        });
        Ok(Self { entries: entries.collect() })
    }

    /// Adds a user's files, name and text. One of the same name as an embedded connector's replaces it.
    ///
    /// # Errors
    /// [`Error::ConnectorInvalid`], which names the file, for a file's name or content.
    pub fn overlay(mut self, files: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        for (file, text) in files {
            let slug = slug_of(&file)?.to_owned();
            let connector = OnceLock::from(Ok(connector_from_toml(&slug, &file, &text)?));
            self.entries.insert(slug, Entry { file, text: text.into(), connector });
        }
        Ok(self)
    }

    /// The connector of this slug.
    ///
    /// # Errors
    /// [`Error::ConnectorNotFound`], with the nearest there is; [`Error::ConnectorInvalid`] where its file cannot be read.
    pub fn connector(&self, slug: &str) -> Result<&Connector> {
        let Some(entry) = self.entries.get(slug) else {
            let nearest = self.nearest(slug).map(str::to_owned);
            return Err(Error::ConnectorNotFound { connector: slug.into(), nearest });
        };
        let parse = || connector_from_toml(slug, &entry.file, &entry.text);
        entry.connector.get_or_init(parse).as_ref().map_err(Clone::clone)
    }

    /// Every connector, by slug. Parses those that were not asked for yet.
    pub fn connectors(&self) -> impl Iterator<Item = Result<&Connector>> {
        self.entries.keys().map(|slug| self.connector(slug))
    }

    /// The slug that was probably meant.
    pub fn nearest(&self, slug: &str) -> Option<&str> {
        nearest(slug, self.entries.keys().map(String::as_str))
    }

    /// What every file breaks of the rules for shipped connectors ([`lint::Rule`]).
    pub fn lint(&self) -> Vec<lint::Finding> {
        self.entries.iter().flat_map(|(slug, entry)| lint_toml(slug, &entry.file, &entry.text)).collect()
    }
}

impl Connector {
    /// A connector that a user defined as JSON: the same keys and rules as in a file. An object has no order here, so
    /// of several methods the first by name is the default.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for the slug, [`Error::ConnectorInvalid`] for the definition.
    pub fn from_json(slug: &str, definition: &serde_json::Value) -> Result<Self> {
        if !is_slug(slug) {
            return Err(Error::invalid("connector", SLUG));
        }
        assemble(slug, Node::from_json(slug, definition))
    }
}

/// Reads a connector's file; `file` is its name for messages.
pub(crate) fn connector_from_toml(slug: &str, file: &str, text: &str) -> Result<Connector> {
    assemble(slug, Node::from_toml(file, text)?)
}

/// What a connector's file breaks of the rules for shipped connectors.
pub(crate) fn lint_toml(slug: &str, file: &str, text: &str) -> Vec<lint::Finding> {
    match Node::from_toml(file, text).and_then(resolve) {
        Ok(document) => lint::lint(slug, &document),
        Err(fault) => vec![lint::Finding::malformed(file, fault)],
    }
}

fn assemble(slug: &str, document: Node) -> Result<Connector> {
    let document = resolve(document)?;
    let connector = read(slug, &document)?;
    match lint::check(&connector, &document).into_iter().find(|finding| finding.rule.is_binding()) {
        Some(finding) => Err(Error::ConnectorInvalid { problem: finding.to_string() }),
        None => Ok(connector),
    }
}

/// The typed connector of a resolved document.
pub(super) fn read(slug: &str, document: &Node) -> Result<Connector, Fault> {
    let mut connector = Connector::deserialize(document)?;
    connector.slug = slug.into();
    connector.auth = connector.auth.into_iter().map(|(name, method)| (name, method.with_presets())).collect();
    if connector.auth.is_empty() {
        return Err(Fault::new(document.place(&["auth"]), "`auth` must hold at least one method"));
    }
    Ok(connector)
}

const SLUG: &str = "must be 1 to 64 lower-case letters, digits, `-` and `_`, beginning with a letter or digit";

fn is_slug(slug: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=64).contains(&slug.len()) && slug.bytes().all(allowed) && slug.as_bytes()[0].is_ascii_alphanumeric()
}

fn slug_of(file: &str) -> Result<&str> {
    let slug = file.strip_suffix(".toml").unwrap_or_default();
    if is_slug(slug) {
        return Ok(slug);
    }
    Err(Error::ConnectorInvalid { problem: format!("`{file}` must be named `<slug>.toml`; the slug {SLUG}") })
}

/// Fills in what the document inherits: from its family, and between its methods.
pub(super) fn resolve(mut document: Node) -> Result<Node, Fault> {
    if let Some((name, at)) = document.take_text("extends")? {
        document = document.over(&family(&name, &at)?);
    }
    let Some(Node { value: Tree::Table(methods), .. }) = document.table().and_then(|table| table.get("auth")) else {
        return Ok(document);
    };
    let resolved = methods
        .keys()
        .map(|name| Ok((name.clone(), resolve_method(methods, name, &mut BTreeSet::new())?)))
        .collect::<Result<IndexMap<_, _>, Fault>>()?;
    if let Some(auth) = document.table_mut().and_then(|table| table.get_mut("auth")) {
        auth.value = Tree::Table(resolved);
    }
    Ok(document)
}

fn family(name: &str, at: &Place) -> Result<Node, Fault> {
    let path = format!("families/{name}.toml");
    let Some(text) = FILES.get_file(&path).and_then(|file| file.contents_utf8()) else {
        let known: Vec<_> = families().collect();
        return Err(Fault::new(at, format!("there is no family `{name}`{}", did_you_mean(name, known))));
    };
    Node::from_toml(&path, text)
}

/// The names of the families.
pub(super) fn families() -> impl Iterator<Item = &'static str> {
    let files = FILES.get_dir("families").into_iter().flat_map(Dir::files);
    files.filter_map(|file| file.path().file_stem()?.to_str())
}

/// A method with what it inherits, and its type said: a method's own name, or that of the method it extends.
fn resolve_method<'m>(
    methods: &'m IndexMap<String, Node>,
    name: &'m str,
    seen: &mut BTreeSet<&'m str>,
) -> Result<Node, Fault> {
    let mut method = methods[name].clone();
    if !seen.insert(name) {
        return Err(Fault::new(&method.at, format!("method `{name}` extends itself")));
    }
    if let Some((base, at)) = method.take_text("extends")? {
        let Some((base, _)) = methods.get_key_value(&base) else {
            let nearest = did_you_mean(&base, methods.keys().map(String::as_str));
            return Err(Fault::new(&at, format!("there is no method `{base}` in this file{nearest}")));
        };
        method = method.over(&resolve_method(methods, base, seen)?);
    }
    let at = method.at.clone();
    if let Some(table) = method.table_mut() {
        table.entry("type".into()).or_insert(Node { at, value: Tree::Text(name.into()) });
    }
    Ok(method)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{
            profile::{Profile, Rotation},
            url::Loopback,
        },
        *,
    };
    use crate::oauth::{ClientAuth, Encoding, Pkce};

    const ACME: &str = "name = 'Acme'\nbase_url = 'https://acme.test'\n[auth.oauth2]\nauthorize_url = 'https://acme.test/a'\ntoken_url = 'https://acme.test/t'\n";

    fn embedded() -> Catalogue {
        Catalogue::embedded().unwrap()
    }

    fn overlaid(file: &str, text: &str) -> Result<Catalogue> {
        embedded().overlay([(file.to_owned(), text.to_owned())])
    }

    fn problem(result: Result<Catalogue>) -> String {
        match result {
            Err(Error::ConnectorInvalid { problem }) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_embedded_connector_loads_and_is_listed_by_slug() {
        let catalogue = embedded();
        let slugs: Vec<_> = catalogue.connectors().map(|connector| connector.unwrap().slug.as_str()).collect();
        assert!(slugs.is_sorted() && slugs.contains(&"gmail") && !slugs.contains(&"google"), "{slugs:?}");
    }

    #[test]
    fn a_connector_inherits_what_its_family_says() {
        let catalogue = embedded();
        let gmail = catalogue.connector("gmail").unwrap();
        assert!(gmail.docs.starts_with("https://developers.google.com/"));
        let (name, method) = gmail.supported_method(None).unwrap();
        assert_eq!(name, "oauth2", "the file's own order comes first");
        assert_eq!(method.token_url.as_ref().unwrap().as_str(), "https://oauth2.googleapis.com/token");
        assert_eq!(method.scopes, ["https://www.googleapis.com/auth/gmail.modify"]);
        assert_eq!(method.authorize_params["access_type"].as_str(), "offline");
        assert_eq!(gmail.auth.keys().collect::<Vec<_>>(), ["oauth2", "service_account"]);
    }

    #[test]
    fn a_method_inherits_what_another_says() {
        let catalogue = embedded();
        let (_, user) = catalogue.connector("slack").unwrap().supported_method(Some("user")).unwrap();
        assert_eq!(user.client_auth, ClientAuth::Basic);
        assert_eq!(user.response.access_token.as_deref(), Some("authed_user.access_token"));
        assert_eq!(user.scope_params["user_scope"], ["search:read"]);
        assert!(user.scopes.is_empty());
    }

    fn profile(slug: &str, method: &str) -> Profile {
        embedded().connector(slug).unwrap().supported_method(Some(method)).unwrap().1.refresh_tokens.clone()
    }

    #[test]
    fn a_profile_is_inherited_from_a_family_and_between_methods() {
        const DAY: Duration = Duration::from_secs(86_400);
        let google = profile("gmail", "oauth2");
        assert!(google.may_repeat_at_once());
        assert_eq!(google.keep_alive_after(), Some(90 * DAY));
        assert_eq!(google, profile("google_calendar", "oauth2"));
        let microsoft = profile("outlook", "oauth2");
        assert_eq!((microsoft.rotation, microsoft.reuse_kills()), (Rotation::Always, false));
        let slack = profile("slack", "oauth2");
        assert_eq!((slack.rotation, slack.repeat_within()), (Rotation::Always, None));
        assert_eq!(slack, profile("slack", "user"));
        assert_eq!(profile("shopify", "oauth2").repeat_within(), Some(24 * DAY));
        assert_eq!(profile("snowflake", "oauth2"), Profile::default(), "an account decides for itself");
    }

    #[test]
    fn every_profile_names_the_page_that_it_was_read_from() {
        let mut profiles = 0;
        for file in FILES.files().chain(FILES.get_dir("families").unwrap().files()) {
            let lines: Vec<_> = file.contents_utf8().unwrap().lines().collect();
            for pair in lines.windows(2).filter(|pair| pair[1].contains("refresh_tokens")) {
                let [before, table] = pair else { unreachable!() };
                assert!(before.starts_with("# ") && before.contains("https://"), "{file:?}: {before}");
                assert!(table.starts_with('['), "{file:?}: {table}");
                profiles += 1;
            }
        }
        assert!(profiles > 1);
    }

    #[test]
    fn what_a_file_does_not_say_has_a_default() {
        let catalogue = overlaid("acme.toml", ACME).unwrap();
        let (_, method) = catalogue.connector("acme").unwrap().method(None).unwrap();
        assert_eq!((method.pkce, method.client_auth, method.encode), (Pkce::S256, ClientAuth::Body, Encoding::Form));
        assert_eq!(method.send.headers["Authorization"].as_str(), "Bearer {access_token}");
    }

    #[test]
    fn salesforce_goes_from_login_host_to_instance() {
        let catalogue = embedded();
        let salesforce = catalogue.connector("salesforce").unwrap();
        let (_, method) = salesforce.supported_method(None).unwrap();
        let fields = salesforce.connection_fields(method);
        let given = IndexMap::from([("login_host".to_owned(), "Acme--dev.sandbox.my.salesforce.com".to_owned())]);
        let mut values = salesforce.values(method, &super::super::field::fill(&fields, &given).unwrap());
        let token_url = method.token_url.as_ref().unwrap().render_url(&values, Loopback::Refused).unwrap();
        assert_eq!(token_url.as_str(), "https://acme--dev.sandbox.my.salesforce.com/services/oauth2/token");

        values.set("instance_url", "https://acme--dev.sandbox.my.salesforce.com");
        let probe = salesforce.probe_url(&values, Loopback::Refused).unwrap().unwrap();
        assert_eq!(probe.as_str(), "https://acme--dev.sandbox.my.salesforce.com/services/oauth2/userinfo");
        for evil in ["login.salesforce.com.evil.test", "evil.test/.my.salesforce.com", "acme.lightning.force.com"] {
            let given = IndexMap::from([("login_host".to_owned(), evil.to_owned())]);
            assert!(super::super::field::fill(&fields, &given).is_err(), "{evil}");
        }
    }

    #[test]
    fn a_users_file_adds_or_replaces_a_connector() {
        let catalogue = overlaid("gmail.toml", ACME).unwrap();
        assert_eq!(catalogue.connector("gmail").unwrap().name, "Acme");
        assert!(overlaid("acme.toml", ACME).unwrap().connector("acme").is_ok());
    }

    #[test]
    fn a_users_file_is_refused_at_once_with_file_line_and_mend() {
        let problem_of = |more: &str| problem(overlaid("acme.toml", &format!("{ACME}{more}")));
        assert_eq!(problem_of("scope = ['a']"), "acme.toml:6: unknown key `scope`; did you mean `scopes`?");
        assert!(problem_of("revoke_url = 'http://acme.test'").starts_with("acme.toml:6: the URL must be https"));
        assert!(problem(overlaid("Acme.toml", ACME)).contains("must be named `<slug>.toml`"));
        assert!(problem(overlaid("../acme.toml", ACME)).contains("must be named `<slug>.toml`"));
    }

    #[test]
    fn a_mistake_of_a_family_is_reported_where_it_stands() {
        let document = Node::from_toml("own.toml", "name = 'A'\n[auth.oauth2]\nscopes = []").unwrap();
        let family = Node::from_toml("families/f.toml", "\n[auth.oauth2]\npkce = 'plain'").unwrap();
        let fault = read("own", &resolve(document.over(&family)).unwrap()).unwrap_err();
        assert_eq!(fault.to_string(), "families/f.toml:3: `plain` is none of `S256`, `none`");
    }

    #[test]
    fn an_unknown_connector_is_answered_with_the_nearest() {
        let error = embedded().connector("gmial").unwrap_err();
        assert_eq!(error.to_string(), "there is no connector `gmial` in the catalogue; did you mean `gmail`?");
    }

    #[test]
    fn a_connector_can_be_defined_as_json() {
        let mut definition = serde_json::json!({
            "extends": "google",
            "name": "Acme",
            "base_url": "https://acme.test",
            "auth": { "oauth2": { "scopes": ["a"] } },
        });
        let connector = Connector::from_json("acme", &definition).unwrap();
        assert_eq!(connector.auth["oauth2"].scopes, ["a"]);
        definition["auth"]["oauth2"]["scope"] = "a".into();
        let error = Connector::from_json("acme", &definition).unwrap_err().to_string();
        assert!(error.contains("acme, auth.oauth2.scope: unknown key `scope`; did you mean `scopes`?"), "{error}");
        assert!(Connector::from_json("../acme", &definition).is_err());
    }
}
