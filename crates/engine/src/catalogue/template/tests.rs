use proptest::prelude::*;

use super::*;

fn template(source: &str) -> Template {
    source.parse().unwrap()
}

fn values() -> Values {
    let mut values = Values::default();
    values
        .set("email", "ada@example.com")
        .set("key", r#"{"client_email":"a@b","n":{"x":7,"list":["first"]}}"#)
        .set("steps.0", r#"{"x":"y"}"#)
        .set("url", "https://Acme.example.com/path")
        .set_secret("api_token", Secret::from("s3cret"));
    values
}

#[test]
fn names_are_filled_in() {
    assert_eq!(template("to {email}, {steps.0.x}").render_plain(&values()).unwrap(), "to ada@example.com, y");
}

#[test]
fn a_path_reaches_into_json() {
    let rendered = template("{key.client_email} {key.n.x} {key.n.list.0}").render_plain(&values());
    assert_eq!(rendered.unwrap(), "a@b 7 first");
    let missing = template("{key.n}").render_plain(&values());
    assert_eq!(missing, Err(TemplateError::Missing { name: "key.n".into() }), "an object is no text");
}

#[test]
fn terms_are_joined_before_they_are_filtered() {
    // Zendesk: `email/token:key`, in base64 (RFC 7617).
    let rendered = template("Basic {email + '/token:' + api_token | base64}").render(&values()).unwrap();
    assert_eq!(rendered.expose_secret(), "Basic YWRhQGV4YW1wbGUuY29tL3Rva2VuOnMzY3JldA==");
}

#[test]
fn filters_apply_from_left_to_right() {
    let cases = [
        ("{email | upper}", "ADA@EXAMPLE.COM"),
        ("{url | host}", "acme.example.com"),
        ("{url | host | upper}", "ACME.EXAMPLE.COM"),
        // FIPS 180-2's `abc`.
        ("{'abc' + empty | sha256}", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ];
    let mut values = values();
    values.set("empty", "");
    for (source, expected) in cases {
        assert_eq!(template(source).render_plain(&values).as_deref(), Ok(expected), "{source}");
    }
    let unsupported = template("{email | spki_sha256}").render_plain(&values);
    assert_eq!(unsupported, Err(TemplateError::NotSupported { filter: "spki_sha256" }));
}

#[test]
fn a_secret_never_becomes_plain_text() {
    let error = template("{api_token | base64}").render_plain(&values()).unwrap_err();
    assert_eq!(error, TemplateError::Secret { name: "api_token".into() });
    assert!(!format!("{:?}", values()).contains("s3cret"));
}

#[test]
fn names_are_listed_in_order() {
    let template = template("https://{a}.test/{b.c}?{'x' + d + a | upper}");
    assert_eq!(template.names().collect::<Vec<_>>(), ["a", "b.c", "d", "a"]);
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let cases = [
        ("ab{", 4, "expected a name"),
        ("ab}", 3, "closes nothing"),
        ("{a", 3, "expected `+`, `|` or `}`"),
        ("{a b}", 4, "expected `+`, `|` or `}`"),
        ("{a | base65}", 6, "expected a filter (base64, upper, sha256, spki_sha256, host)"),
        ("{'a}", 5, "the quote is not closed"),
        ("{'a'}", 6, "hold no name"),
        ("{a..b}", 2, "expected a name"),
        ("{0a}", 2, "expected a name"),
        ("é{-}", 3, "expected a name"),
    ];
    for (source, position, problem) in cases {
        let error = source.parse::<Template>().unwrap_err();
        assert_eq!(error.position, position, "{source}");
        assert!(error.problem.contains(problem), "{source}: {error}");
    }
}

#[test]
fn a_joined_template_has_one_slash_between() {
    for (base, path) in [("{a}/", "/b"), ("{a}", "/b"), ("{a}/", "b"), ("{a}", "b")] {
        assert_eq!(template(base).join(&template(path)).as_str(), "{a}/b");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_template_or_an_error(source in r"[{}'|+. a-z0-9_é]{0,40}") {
        if let Ok(template) = source.parse::<Template>() {
            prop_assert_eq!(template.as_str(), source.as_str());
        }
    }

    #[test]
    fn a_text_without_braces_is_itself(source in "[^{}]*") {
        prop_assert_eq!(template(&source).render_plain(&Values::default()), Ok(source));
    }

    #[test]
    fn a_value_is_never_read_as_a_template(value in ".*") {
        let mut values = Values::default();
        values.set("a", value.clone());
        prop_assert_eq!(template("<{a}>").render_plain(&values), Ok(format!("<{value}>")));
    }
}
