use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Document {
    Document::read(body.as_bytes())
}

#[test]
fn values_are_found_by_dotted_paths() {
    let document = read(r#" {"a":{"b":[{"c":"x"},7]},"id":12345678901234567890123,"ok":true,"no":null,"d.e":"y"} "#);
    assert!(document.is_whole());
    assert_eq!(document.text("a.b.0.c"), Some("x"));
    assert_eq!(document.text("a.b.1"), Some("7"));
    assert_eq!(document.text("id"), Some("12345678901234567890123"));
    assert_eq!(document.text("ok"), Some("true"));
    assert_eq!(document.text("d.e"), Some("y"));
    for absent in ["no", "a", "a.b.2", "a.b.-1", "a.b.0.c.d", "", "."] {
        assert_eq!(document.text(absent), None, "{absent:?}");
    }
    assert_eq!(document.string("id"), None);
}

// A105
#[test]
fn the_format_is_told_by_the_body_alone() {
    for (body, format) in [
        (r#"{"a":1}"#, Format::Json),
        ("\u{feff}\r\n {\"a\":1}", Format::Json),
        ("[]", Format::Json),
        ("access_token=x&scope=a%2Cb", Format::Form),
        ("access_token=x\n", Format::Form),
        ("", Format::Neither),
        ("ok", Format::Neither),
        ("\"text\"", Format::Neither),
        ("<html><a href=\"/?a=b&c=d\">", Format::Neither),
        ("Error: a=b", Format::Neither),
        ("a=b&&c", Format::Neither),
        ("\0\0\0\0", Format::Neither),
    ] {
        assert_eq!(read(body).format(), format, "{body:?}");
    }
    assert_eq!(read("access_token=x&scope=a%2Cb").text("scope"), Some("a,b"));
}

// A107
#[test]
fn a_repeated_name_has_no_value() {
    let document = read(r#"{"a":"1","b":{"c":"2"},"a":"1","b":{"c":"3"},"d":"4"}"#);
    assert!(document.repeats("a") && document.repeats("b.c"));
    assert_eq!((document.text("a"), document.text("b.c"), document.text("d")), (None, None, Some("4")));
    assert!(read("a=1&a=1").repeats("a"));
    // Written differently, still the same name.
    assert!(read(r#"{"a":1,"\u0061":2}"#).repeats("a"));
}

// A106, A107
#[test]
fn an_odd_field_does_not_cost_the_others() {
    for odd in ["1e400", "NaN", "-Infinity", r#""\ud800""#, r#""\ud800\u0041""#, "\"\0\"", "\"\n\"", "undefined"] {
        let document = read(&format!(r#"{{"a":{odd},"b":"kept"}}"#));
        assert!(document.is_whole(), "{odd}");
        assert_eq!(document.string("b"), Some("kept"), "{odd}");
    }
    let latin = Document::read(b"{\"name\":\"Ren\xe9\",\"b\":\"kept\"}");
    assert_eq!(latin.string("b"), Some("kept"));
    assert_eq!(read(r#"{"a":"\ud83d\ude00\ud800\u0041"}"#).string("a"), Some("😀\u{fffd}A"));
}

#[test]
fn what_is_no_json_is_not_whole() {
    for body in [
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "[1,]",
        "{\"a\":1}x",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u00g0\"}",
        "{\"a\":\"\\u+123\"}",
        "{'a':1}",
        "{\"a\" 1}",
        "{,}",
        "[",
        "[1",
        "{\"a\":}",
    ] {
        assert!(!read(body).is_whole(), "{body}");
    }
}

// A103
#[test]
fn depth_and_width_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(128)).is_whole());
    assert!(!read(&nested(129)).is_whole());
    assert!(!read(&"[".repeat(100_000)).is_whole());
    let wide =
        |names: usize| format!("{{{}}}", (0..names).map(|name| format!("\"k{name}\":1")).collect::<Vec<_>>().join(","));
    assert!(read(&wide(1_000)).is_whole());
    let too_wide = read(&wide(1_001));
    assert!(!too_wide.is_whole());
    assert_eq!(too_wide.text("k0"), Some("1"));
    assert!(!read(&format!("[{}1]", "1,".repeat(1_000_000))).is_whole());
    assert_eq!(read(&format!("{}z=1", "a=1&".repeat(1_001))).format(), Format::Form);
    let wide_form: String = (0..1_001).map(|name| format!("k{name}=1&")).collect();
    assert_eq!(read(&wide_form).format(), Format::Neither);
}

#[test]
fn a_broken_form_loses_its_last_pair() {
    let document = Document::read_beginning(b"a=1&b=2");
    assert_eq!((document.text("a"), document.text("b"), document.is_whole()), (Some("1"), None, false));
    assert_eq!(Document::read_beginning(b"a=1").format(), Format::Neither);
}

#[test]
fn a_document_does_not_print() {
    assert!(!format!("{:?}", read(r#"{"access_token":"canary"}"#)).contains("canary"));
}

/// Any JSON value, not too deep.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn same(ours: &Value, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match (ours, theirs) {
        (Value::Literal(ours), Json::Null | Json::Bool(_) | Json::Number(_)) => {
            let theirs = theirs.to_string();
            *ours == theirs
        }
        (Value::Text(ours), Json::String(theirs)) => **ours == *theirs,
        (Value::List(ours), Json::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(ours), Json::Object(theirs)) => {
            ours.len() == theirs.len()
                && theirs.iter().all(|(name, theirs)| ours.get(name).is_some_and(|ours| same(ours, theirs)))
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn whatever_serde_json_writes_is_read_the_same(value in json(), pretty in any::<bool>()) {
        let list = serde_json::Value::Array(vec![value]);
        let text = if pretty { format!("{list:#}") } else { list.to_string() };
        let document = read(&text);
        prop_assert!(document.is_whole());
        prop_assert!(same(&document.root, &list), "{}", text);
    }

    #[test]
    fn whatever_serde_json_reads_is_whole(text in r#"[\[{]([\[\]{},:]|"(a|\\"|\\u00e9|\\\\)?"|[0-9]{1,2}|true|null| ){0,12}[\]}]"#) {
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert!(read(&text).is_whole(), "{}", text);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), json in r#"[{\["\\u0-9a-f:, ]{0,80}"#) {
        for body in [&body[..], json.as_bytes()] {
            for document in [Document::read(body), Document::read_beginning(body)] {
                let _ = (document.text("a"), document.repeats("a.0"));
            }
        }
    }
}
