//! The rules that the shape of a connector file cannot say: names resolve, hosts are fenced in, secrets are sent.
//!
//! Most rules bind everybody, and a connector that breaks one is refused when it is read. A few are about the quality
//! of the shipped catalogue alone ([`Rule::is_binding`]).

use std::{collections::BTreeSet, fmt};

use indexmap::IndexMap;
use url::Url;

use super::{
    document::{Fault, Node, Place},
    field::{Field, FieldKind, Options},
    host::is_host_name,
    load,
    nearest::did_you_mean,
    schema::{Connector, Keep, Method, MethodKind},
    template::{Expression, Template, Values},
    templates::{self, Used, head},
    url::{Loopback, Origin, Piece, is_loopback},
};

/// Something in a file that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// Where the key stands.
    pub at: Place,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

impl Finding {
    pub(super) fn malformed(file: &str, fault: Fault) -> Self {
        let at = fault.at.unwrap_or_else(|| Place { file: file.into(), line: None });
        Self { rule: Rule::Malformed, at, problem: fault.problem }
    }
}

/// The rules of connector files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The file is TOML of the schema: no unknown keys, patterns and templates that parse.
    Malformed,
    /// Every `{name}` is a field, a kept value or built in.
    UnknownName,
    /// URLs are https; plain http is for loopback hosts.
    NotHttps,
    /// What stands in a host is a host, a choice, a pattern that allows one label, or a given value within `hosts`.
    OpenHost,
    /// No secret is part of a URL.
    SecretInUrl,
    /// No token is kept among the plain values.
    TokenKept,
    /// What is sent with API calls holds the credential.
    SendsNoSecret,
    /// The probe stays with the connector's hosts.
    ProbeElsewhere,
    /// Only standard parameters are renamed, each to a name.
    UnknownParameter,
    /// A method has what its kind needs.
    Incomplete,
    /// What is said of refresh tokens can be true, and the method has some.
    RefreshContradicts,
    /// A field's own default and example would be accepted, and its choices set the same variables.
    FieldContradicts,
    /// A connector is not called like a family.
    FamilyName,
    /// A field's page is https.
    HelpNotHttps,
    /// `docs` names the provider's page.
    NoDocs,
    /// A static credential can be tried out.
    NoProbe,
    /// Every field is used.
    UnusedField,
}

impl Rule {
    /// Whether a connector that breaks the rule is refused, also a user's own.
    pub fn is_binding(self) -> bool {
        !matches!(self, Self::NoDocs | Self::NoProbe | Self::UnusedField)
    }
}

/// Names that the engine itself fills in.
const BUILT_IN: [&str; 10] = [
    "access_token",
    "client_id",
    "client_secret",
    "code",
    "jwt",
    "now",
    "redirect_uri",
    "refresh_token",
    "steps",
    "uuid",
];

const BUILT_IN_SECRETS: [&str; 5] = ["access_token", "client_secret", "code", "jwt", "refresh_token"];

/// Parameters of RFC 6749, RFC 7636 and RFC 7009 that a provider may call otherwise.
const PARAMETERS: [&str; 12] = [
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "response_type",
    "scope",
    "state",
];

/// One of each kind of text that would leave the label it is put into.
const NO_LABEL: [&str; 9] = ["a.b", "a/b", "a#b", "a?b", "a@b", "a:b", r"a\b", "a b", "a_b"];

/// Checks a resolved document, as it would be shipped.
pub(super) fn lint(slug: &str, document: &Node) -> Vec<Finding> {
    match load::read(slug, document) {
        Ok(connector) => check(&connector, document),
        Err(fault) => vec![Finding::malformed(slug, fault)],
    }
}

/// Checks a connector that was read from `document`.
pub(super) fn check(connector: &Connector, document: &Node) -> Vec<Finding> {
    let mut checker = Checker { connector, document, findings: Vec::new() };
    checker.connector();
    for (name, method) in &connector.auth {
        checker.method(name, method);
    }
    checker.used_fields();
    checker.findings
}

struct Checker<'c> {
    connector: &'c Connector,
    document: &'c Node,
    findings: Vec<Finding>,
}

impl<'c> Checker<'c> {
    fn report(&mut self, rule: Rule, path: &[&str], problem: impl Into<String>) {
        let finding = Finding { rule, at: self.document.place(path).clone(), problem: problem.into() };
        // What all methods share is checked with each of them.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn connector(&mut self) {
        let connector = self.connector;
        if !is_https(&connector.docs) {
            self.report(Rule::NoDocs, &["docs"], "`docs` must be the https URL of the provider's page");
        }
        if load::families().any(|family| family == connector.slug) {
            self.report(Rule::FamilyName, &[], "the file is called like a family; give it another name");
        }
        self.fields(&["fields"], &connector.fields);
        self.probe();
    }

    fn probe(&mut self) {
        let Some(probe) = &self.connector.probe else {
            if let Some((name, _)) = self.connector.auth.iter().find(|(_, method)| method.kind.is_static()) {
                let problem = "a static credential needs a `[probe]`, so that a wrong one is noticed at once";
                self.report(Rule::NoProbe, &["auth", name], problem);
            }
            return;
        };
        let base = self.connector.base_url.as_ref().map(Template::split);
        let elsewhere = match (probe.url.split().0, base) {
            (_, None) => true,
            (Origin::None, _) => false,
            (origin, Some((base, _))) => origin != base && !self.is_named(&origin),
        };
        if elsewhere {
            let problem = "the probe must stand below `base_url`, or at one of `hosts`";
            self.report(Rule::ProbeElsewhere, &["probe", "url"], problem);
        }
    }

    /// Whether an origin is a literal host that `hosts` covers.
    fn is_named(&self, origin: &Origin<'_>) -> bool {
        let Origin::Written { authority, .. } = origin else { return false };
        matches!(authority[..], [Piece::Literal(host)] if self.connector.hosts.iter().any(|it| it.matches(host)))
    }

    fn fields(&mut self, path: &[&str], fields: &IndexMap<String, Field>) {
        for (key, field) in fields {
            for (name, value) in [("default", &field.default), ("example", &field.example)] {
                if value.as_ref().is_some_and(|value| field.check(key, value).is_err()) {
                    let problem = format!("`{name}` of field `{key}` is not a value that the field accepts");
                    self.report(Rule::FieldContradicts, &[path, &[key, name]].concat(), problem);
                }
            }
            if field.help_url.as_ref().is_some_and(|url| !is_https(url)) {
                let problem = format!("`help_url` of field `{key}` must be an https URL: people are sent there");
                self.report(Rule::HelpNotHttps, &[path, &[key, "help_url"]].concat(), problem);
            }
            let Some(Options::Table(choices)) = &field.options else { continue };
            let variables: BTreeSet<_> = field.variables(key).into_iter().collect();
            for (choice, set) in choices {
                if set.keys().map(String::as_str).collect::<BTreeSet<_>>() != variables {
                    let problem = format!("the choice `{choice}` must set the same variables as the first one");
                    self.report(Rule::FieldContradicts, &[path, &[key, "options", choice]].concat(), problem);
                }
            }
        }
    }

    fn method(&mut self, name: &'c str, method: &'c Method) {
        self.fields(&["auth", name, "fields"], &method.fields);
        self.fields(&["auth", name, "app"], &method.app);
        for problem in method.missing_parts() {
            self.report(Rule::Incomplete, &["auth", name], problem);
        }
        self.refresh_tokens(name, method);
        self.parameters(name, method);

        let names = self.names(method);
        let secrets = self.secrets(method);
        for used in templates::of_connector(self.connector).into_iter().chain(templates::of_method(name, method)) {
            for unknown in used.template.names().map(head).filter(|name| !names.contains(name)) {
                let nearest = did_you_mean(unknown, names.iter().copied());
                let problem =
                    format!("`{{{unknown}}}` is no field, kept value or built-in name of the method `{name}`{nearest}");
                self.report(Rule::UnknownName, &used.path, problem);
            }
            if used.is_url {
                for secret in used.template.names().map(head).filter(|name| secrets.contains(name)) {
                    let problem = format!("`{{{secret}}}` is a secret and cannot be part of a URL");
                    self.report(Rule::SecretInUrl, &used.path, problem);
                }
                self.url(&used, method);
            }
        }

        let sends = [&method.send.headers, &method.send.query, &method.send.body];
        let mut sent = sends.into_iter().flat_map(IndexMap::values).flat_map(Template::names);
        let by_engine = matches!(method.kind, MethodKind::None | MethodKind::Oauth1 | MethodKind::Signed);
        if !by_engine && !sent.any(|name| secrets.contains(head(name))) {
            let problem = "`send` mentions no secret, so that calls would go out without the credential";
            self.report(Rule::SendsNoSecret, &["auth", name, "send"], problem);
        }
    }

    fn refresh_tokens(&mut self, name: &str, method: &Method) {
        let path = ["auth", name, "refresh_tokens"];
        if method.kind != MethodKind::Oauth2 && self.document.get(&path).is_some() {
            self.report(Rule::RefreshContradicts, &path, "only a method of type `oauth2` has refresh tokens");
        }
        for (key, problem) in method.refresh_tokens.contradictions() {
            self.report(Rule::RefreshContradicts, &[&path[..], &[key]].concat(), problem);
        }
    }

    /// Checks what is renamed on the way out, and kept on the way in.
    fn parameters(&mut self, name: &str, method: &Method) {
        for (standard, other) in &method.rename {
            if !PARAMETERS.contains(&standard.as_str()) || other.is_empty() {
                let nearest = did_you_mean(standard, PARAMETERS);
                let problem = format!("`{standard}` cannot be renamed: it is no standard parameter{nearest}");
                self.report(Rule::UnknownParameter, &["auth", name, "rename", standard], problem);
            }
        }
        for (variable, source) in &method.keep {
            if matches!(source, Keep::Token(path) if path.rsplit('.').next().is_some_and(|it| it.ends_with("_token"))) {
                let problem = format!("`{variable}` is a token: it must stand in `keep_secret`");
                self.report(Rule::TokenKept, &["auth", name, "keep", variable], problem);
            }
        }
    }

    fn url(&mut self, used: &Used<'c>, method: &Method) {
        let (origin, _) = used.template.split();
        match &origin {
            // Below `base_url`.
            Origin::None if used.path == ["probe", "url"] => {}
            Origin::None => {
                self.report(Rule::NotHttps, &used.path, "the URL must begin with `https://` or a given URL")
            }
            Origin::Given(expression) => self.host_part(used, method, expression, true),
            Origin::Written { scheme, authority } => {
                let literal = match authority[..] {
                    [Piece::Literal(host)] => is_loopback(host) || *scheme == "https" && is_host_name(host),
                    _ => *scheme == "https",
                };
                let unnamed = used.template.names().next().is_none();
                if !literal || unnamed && used.template.render_url(&Values::default(), Loopback::Allowed).is_err() {
                    let problem = "the URL must be https and name a public host, without user or port";
                    self.report(Rule::NotHttps, &used.path, problem);
                }
                for expression in origin.expressions() {
                    self.host_part(used, method, expression, authority.len() == 1);
                }
            }
        }
    }

    /// Checks what fills a host; `whole` when nothing else stands in it.
    fn host_part(&mut self, used: &Used<'c>, method: &Method, expression: &Expression, whole: bool) {
        let name = head(expression.subject());
        let mut fields = self.connector.fields.iter().chain(&method.app).chain(&method.fields);
        let field = fields.find(|(key, field)| field.variables(key).contains(&name)).map(|(_, field)| field);
        let kept = method.keep.contains_key(name)
            || self.connector.probe.as_ref().is_some_and(|probe| probe.keep.contains_key(name));
        let one_label = |field: &Field| {
            field.pattern.as_ref().is_some_and(|pattern| !NO_LABEL.iter().any(|text| pattern.matches(text)))
        };
        let problem = match field {
            _ if expression.is_joined() => "cannot be joined with others there",
            Some(field) if field.may_be_several_labels() || whole && field.kind == FieldKind::Url => return,
            Some(_) if whole => "must be a field of kind `host` or `url`, or one with `options`",
            Some(field) if one_label(field) => return,
            Some(_) => "needs a `pattern` that allows one label only, `kind = \"host\"` or `options`",
            None if kept && whole && self.connector.hosts.is_empty() => "needs `hosts` that it must belong to",
            None if kept => return,
            // Reported as an unknown name, or as a secret.
            None if !BUILT_IN.contains(&name) => return,
            None => "cannot be part of a host",
        };
        self.report(Rule::OpenHost, &used.path, format!("`{{{name}}}` stands in a host and {problem}"));
    }

    fn used_fields(&mut self) {
        let shared: BTreeSet<_> = templates::of_connector(self.connector).iter().flat_map(Used::heads).collect();
        let by_method: Vec<(&str, &Method, BTreeSet<&str>)> = self
            .connector
            .auth
            .iter()
            .map(|(name, method)| {
                (name.as_str(), method, templates::of_method(name, method).iter().flat_map(Used::heads).collect())
            })
            .collect();
        let mut unused: Vec<Vec<&str>> = Vec::new();
        for (key, field) in &self.connector.fields {
            let in_use = |name: &&str| shared.contains(name) || by_method.iter().any(|(.., used)| used.contains(name));
            if !field.variables(key).iter().any(in_use) {
                unused.push(vec!["fields", key]);
            }
        }
        for (name, method, used) in &by_method {
            for (table, fields) in [("fields", &method.fields), ("app", &method.app)] {
                for (key, field) in fields {
                    if !field.variables(key).iter().any(|name| shared.contains(name) || used.contains(name)) {
                        unused.push(vec!["auth", name, table, key]);
                    }
                }
            }
        }
        for path in unused {
            let problem = format!("the field `{}` is asked for and never used", path[path.len() - 1]);
            self.report(Rule::UnusedField, &path, problem);
        }
    }

    /// What a template may name, in one method.
    fn names(&self, method: &'c Method) -> BTreeSet<&'c str> {
        let fields = self.connector.fields.iter().chain(&method.fields).chain(&method.app);
        let probe = self.connector.probe.iter().flat_map(|probe| probe.keep.keys());
        let kept = method.keep.keys().chain(method.keep_secret.keys()).chain(probe).map(String::as_str);
        fields.flat_map(|(key, field)| field.variables(key)).chain(kept).chain(BUILT_IN).collect()
    }

    /// Those of them that are secret.
    fn secrets(&self, method: &'c Method) -> BTreeSet<&'c str> {
        let fields = self.connector.fields.iter().chain(&method.fields).chain(&method.app);
        let secret = fields.filter(|(_, field)| field.secret).map(|(key, _)| key.as_str());
        secret.chain(method.keep_secret.keys().map(String::as_str)).chain(BUILT_IN_SECRETS).collect()
    }
}

fn is_https(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "https")
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
