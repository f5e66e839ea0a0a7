//! One file that breaks each rule, and the catalogue that breaks none.

use super::{
    super::{document::Node, load::Catalogue},
    *,
};

/// Lines 1 to 3: everything but the methods.
const HEAD: &str = "name = 'Acme'\ndocs = 'https://acme.test/docs'\nbase_url = 'https://api.acme.test'\n";
const OAUTH2: &str = "[auth.oauth2]\nauthorize_url = 'https://acme.test/a'\ntoken_url = 'https://acme.test/t'\n";

fn findings(slug: &str, toml: &str) -> Vec<Finding> {
    match Node::from_toml("acme.toml", toml).and_then(load::resolve) {
        Ok(document) => lint(slug, &document),
        Err(fault) => vec![Finding::malformed("acme.toml", fault)],
    }
}

#[test]
fn the_shipped_catalogue_breaks_no_rule() {
    let findings: Vec<_> = Catalogue::embedded().unwrap().lint().iter().map(ToString::to_string).collect();
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn a_plain_connector_breaks_no_rule() {
    assert_eq!(findings("acme", &format!("{HEAD}{OAUTH2}")), []);
}

#[test]
fn each_rule_names_its_line_and_the_mend() {
    use Rule::*;
    let head = |more: &str| format!("{HEAD}{more}\n{OAUTH2}");
    let tail = |more: &str| format!("{HEAD}{OAUTH2}{more}");
    let cases = [
        (Malformed, tail("scope = []"), 7, "unknown key `scope`; did you mean `scopes`?"),
        (Malformed, tail("token_headers = { A = '{' }"), 7, "expected a name"),
        (Malformed, head("fields.a.pattern = '^a$'"), 4, "without anchors"),
        (Malformed, head("fields.a.pattern = '('"), 4, "no regular expression"),
        (Malformed, head("hosts = ['*.com']"), 4, "many owners"),
        (Malformed, head("fields.a.options = 3"), 4, "a list of values, or a table"),
        (Malformed, tail("pkce = 'plain'"), 7, "`plain` is none of `S256`, `none`"),
        (Malformed, tail("keep = { a = 'tokens:a' }"), 7, "must begin with `token:`"),
        (Malformed, tail("[auth.x]\nextends = 'oauth'"), 8, "no method `oauth`"),
        (Malformed, tail("[auth.x]\nextends = 'x'"), 7, "extends itself"),
        (Malformed, tail("[auth.admin]"), 7, "`admin` is none of"),
        (Malformed, head("extends = 'gogle'"), 4, "no family `gogle`; did you mean `google`?"),
        (Malformed, "name = 'Acme'\nauth = {}".into(), 2, "at least one method"),
        (Malformed, "name = 'Acme'".into(), 1, "the key `auth` is missing"),
        (Malformed, "name = 'Acme'\nname".into(), 2, "this is not TOML"),
        (UnknownName, tail("token_params = { a = '{acess_token}' }"), 7, "did you mean `access_token`?"),
        (UnknownName, head("headers = { A = '{a.b}' }"), 4, "`{a}` is no field"),
        (NotHttps, tail("revoke_url = 'http://acme.test/r'"), 7, "must be https"),
        (NotHttps, tail("revoke_url = '/revoke'"), 7, "must begin with `https://`"),
        (NotHttps, tail("revoke_url = 'https://a@acme.test/'"), 7, "without user or port"),
        (OpenHost, tail("revoke_url = 'https://{a}.acme.test'\nfields = { a = {} }"), 7, "`pattern` that allows one"),
        (
            OpenHost,
            tail("revoke_url = 'https://{a}.acme.test'\nfields = { a = { pattern = '[a-z.]+' } }"),
            7,
            "`pattern` that allows one",
        ),
        (OpenHost, tail("revoke_url = 'https://{a}/r'\nfields = { a = { pattern = '[a-z]+' } }"), 7, "kind `host`"),
        (
            OpenHost,
            tail("revoke_url = 'https://{a + a}.acme.test'\nfields = { a = { kind = 'host' } }"),
            7,
            "cannot be joined",
        ),
        (OpenHost, tail("revoke_url = 'https://{client_id}.acme.test'"), 7, "cannot be part of a host"),
        (OpenHost, tail("revoke_url = '{a}/r'\nkeep = { a = 'token:a' }"), 7, "needs `hosts`"),
        (SecretInUrl, tail("revoke_url = 'https://acme.test/{access_token}'"), 7, "`{access_token}` is a secret"),
        (TokenKept, tail("keep = { a = 'token:user.access_token' }"), 7, "must stand in `keep_secret`"),
        (SendsNoSecret, tail("send = { headers = { A = '{client_id}' } }"), 7, "mentions no secret"),
        (ProbeElsewhere, tail("[probe]\nurl = 'https://other.test/me'"), 8, "below `base_url`"),
        (UnknownParameter, tail("rename = { clientid = 'key' }"), 7, "did you mean `client_id`?"),
        (
            Incomplete,
            format!("{HEAD}[auth.oauth2]\ntoken_url = 'https://acme.test/t'"),
            4,
            "`authorize_url` is missing",
        ),
        (Incomplete, format!("{HEAD}[auth.exchange]"), 4, "needs `steps`"),
        (
            Incomplete,
            tail("revoke_url = 'https://acme.test/r'\nrevoke = { url = 'https://acme.test/r' }"),
            4,
            "not both",
        ),
        (Incomplete, format!("{HEAD}[auth.jwt]"), 4, "needs a `jwt` table"),
        (Incomplete, format!("{HEAD}[auth.signed]"), 4, "needs a `signer`"),
        (
            RefreshContradicts,
            tail("refresh_tokens = { rotation = 'never', grace_s = 60 }"),
            7,
            "with `rotation = \"never\"` none is",
        ),
        (
            RefreshContradicts,
            tail("[auth.oauth2.refresh_tokens]\ngrace_result = 'same'"),
            8,
            "`grace_s`, which is missing",
        ),
        (
            RefreshContradicts,
            tail("[auth.oauth2.refresh_tokens]\nabsolute_life_s = 60\nidle_life_s = 61"),
            9,
            "`idle_life_s` is longer than `absolute_life_s`",
        ),
        (
            RefreshContradicts,
            tail("[auth.oauth2.refresh_tokens]\nidle_life_s = 60\ngrace_s = 61"),
            9,
            "longer than a refresh token lives",
        ),
        (
            RefreshContradicts,
            tail("[probe]\nurl = '/me'\n[auth.bearer.refresh_tokens]"),
            9,
            "only a method of type `oauth2`",
        ),
        (Malformed, tail("refresh_tokens = { confirm_s = 61 }"), 7, "from 0 to 60"),
        (FieldContradicts, head("fields.a = { default = 'B', pattern = 'b' }\nheaders.A = '{a}'"), 4, "`default` of"),
        (
            FieldContradicts,
            head("headers = { A = '{x}' }\nfields.a.options.one = { x = 'b' }\nfields.a.options.two = { y = 'b' }"),
            6,
            "the same variables",
        ),
        (
            HelpNotHttps,
            head("fields.a = { help_url = 'http://acme.test' }\nheaders.A = '{a}'"),
            4,
            "`help_url` of field `a` must be an https URL",
        ),
        (NoDocs, format!("name = 'Acme'\nbase_url = 'https://api.acme.test'\n{OAUTH2}"), 1, "`docs` must be"),
        (NoProbe, format!("{HEAD}[auth.bearer]"), 4, "needs a `[probe]`"),
        (UnusedField, head("fields.a = {}"), 4, "`a` is asked for and never used"),
        (UnusedField, tail("app = { key = {} }"), 7, "`key` is asked for and never used"),
    ];
    for (rule, toml, line, problem) in cases {
        let found = findings("acme", &toml);
        let [finding] = &found[..] else { panic!("{rule:?} in\n{toml}\n{found:#?}") };
        assert_eq!((finding.rule, finding.at.line), (rule, Some(line)), "{finding}");
        assert!(finding.problem.contains(problem), "{finding}");
    }
}

#[test]
fn a_connector_is_not_called_like_a_family() {
    let found = findings("google", &format!("{HEAD}{OAUTH2}"));
    assert_eq!(found.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [Rule::FamilyName]);
}

#[test]
fn loopback_hosts_may_be_http() {
    assert_eq!(findings("acme", &format!("{HEAD}{OAUTH2}revoke_url = 'http://127.0.0.1:7415/revoke'")), []);
}
