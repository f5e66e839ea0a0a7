//! What a person sends with a credential's form: read strictly, so that a body has one meaning or none.

use bytes::Bytes;
use http::StatusCode;
use indexmap::{IndexMap, map::Entry};
use onbehalf_engine::{
    connect::FormField,
    secret::{ExposeSecret as _, Secret},
};

/// The body, at most: a few keys in PEM or JSON, each up to a few KiB.
pub const LIMIT: usize = 64 * 1024;
/// The input that carries the form's token. The dash keeps it apart from every field.
pub(crate) const TOKEN: &str = "form-token";

/// The entries of one form.
pub(crate) struct Entries {
    /// What [`FormKey`](crate::form_key::FormKey) made for the form; nothing where it is missing.
    pub(crate) token: String,
    /// By field.
    pub(crate) values: IndexMap<String, Secret>,
}

impl Entries {
    /// Reads a body of the form that has `fields`. A field that comes twice, one that the form does not have, and what
    /// is no UTF-8 have no meaning that could be guessed: 400.
    pub(crate) fn read(body: &Bytes, fields: &[FormField]) -> Result<Self, StatusCode> {
        let mut values = IndexMap::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len()));
            let name = decoded(name).ok_or(StatusCode::BAD_REQUEST)?;
            let value = decoded(value.strip_prefix(b"=").unwrap_or(value)).ok_or(StatusCode::BAD_REQUEST)?;
            if name != TOKEN && !fields.iter().any(|field| field.name == name) {
                return Err(StatusCode::BAD_REQUEST);
            }
            match values.entry(name) {
                Entry::Occupied(_) => return Err(StatusCode::BAD_REQUEST),
                // Browsers send every line's end as CR LF, whatever was entered (HTML, 4.10.21.4).
                Entry::Vacant(entry) => entry.insert(Secret::from(value.replace("\r\n", "\n"))),
            };
        }
        let token = values.shift_remove(TOKEN).map(|token| token.expose_secret().to_owned()).unwrap_or_default();
        Ok(Self { token, values })
    }

    /// What may be shown again: the entries of fields that are no secrets.
    pub(crate) fn shown_again(&self, fields: &[FormField]) -> IndexMap<String, String> {
        let open = fields.iter().filter(|field| !field.secret);
        open.filter_map(|field| Some((field.name.clone(), self.values.get(&field.name)?.expose_secret().to_owned())))
            .collect()
    }
}

/// `application/x-www-form-urlencoded`, where the common parsers repair what they cannot read.
fn decoded(encoded: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => digit(*rest.next()?)? << 4 | digit(*rest.next()?)?,
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use onbehalf_engine::catalogue::field::FieldKind;
    use proptest::prelude::*;

    use super::*;

    fn field(name: &str, secret: bool) -> FormField {
        FormField {
            name: name.into(),
            label: name.into(),
            help: None,
            help_url: None,
            example: None,
            kind: FieldKind::Text,
            options: Vec::new(),
            default: None,
            suffix: None,
            optional: false,
            secret,
        }
    }

    fn read(body: &[u8]) -> Result<Entries, StatusCode> {
        Entries::read(&Bytes::copy_from_slice(body), &[field("shop", false), field("api_key", true)])
    }

    fn value(entries: &Entries, name: &str) -> String {
        entries.values[name].expose_secret().to_owned()
    }

    #[test]
    fn each_entry_is_read_once_and_decoded() {
        let entries = read(b"form-token=t&shop=a+b%2Bc%C3%a4&api_key=x=y&").unwrap();
        assert_eq!(entries.token, "t");
        assert_eq!((value(&entries, "shop"), value(&entries, "api_key")), ("a b+c\u{e4}".into(), "x=y".into()));
        assert_eq!(entries.values.len(), 2);
        assert_eq!(value(&read(b"shop").unwrap(), "shop"), "");
        assert_eq!(read(b"").unwrap().token, "");
    }

    #[test]
    fn a_line_ends_as_it_was_entered() {
        assert_eq!(
            value(&read(b"api_key=-----BEGIN+K-----%0D%0Ax%0D%0A").unwrap(), "api_key"),
            "-----BEGIN K-----\nx\n"
        );
    }

    // A31
    #[test]
    fn what_has_no_single_meaning_is_refused() {
        let bodies: [&[u8]; 11] = [
            b"shop=a&shop=a",
            b"shop=a&sh%6Fp=b",
            b"form-token=a&form-token=a",
            b"other=a",
            b"=a",
            b"SHOP=a",
            b"shop=%",
            b"shop=%4",
            b"shop=%zz",
            b"shop=%ff",
            b"shop=\xc3",
        ];
        for body in bodies {
            assert_eq!(read(body).err(), Some(StatusCode::BAD_REQUEST), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_secret_is_not_shown_again() {
        let entries = read(b"shop=acme&api_key=k3y").unwrap();
        let again = entries.shown_again(&[field("shop", false), field("api_key", true), field("absent", false)]);
        assert_eq!(again, IndexMap::from([("shop".to_owned(), "acme".to_owned())]));
    }

    proptest! {
        #[test]
        fn what_a_browser_encodes_is_read_as_it_was(shop in "\\PC{0,30}", key in "\\PC{0,30}") {
            let pairs = [("shop", &shop), ("api_key", &key)];
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let entries = read(body.as_bytes()).unwrap();
            prop_assert_eq!((value(&entries, "shop"), value(&entries, "api_key")), (shop, key));
        }

        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&body);
        }
    }
}
