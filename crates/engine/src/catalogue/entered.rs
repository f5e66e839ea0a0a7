//! A static credential as a person enters it, or an app brings it: every value read by its field, and fit to be sent.

use indexmap::IndexMap;

use super::{
    complaint::Complaint,
    field::{Field, FieldKind, check_names},
    schema::Method,
};
use crate::{
    Error, Result,
    secret::{ExposeSecret, Secret},
};

/// Values by field: each as it is kept.
pub type Entered = IndexMap<String, Secret>;

impl Method {
    /// Reads what a person entered for the method's fields; a field that was left empty takes its default. What cannot
    /// be meant is told for every field at once.
    ///
    /// # Errors
    /// `UNKNOWN_OPTION` for a name that is no field's. No form of ours sends one.
    pub fn read_entered(&self, given: &Entered) -> Result<Result<Entered, IndexMap<String, Complaint>>> {
        check_names(&self.fields, given.keys())?;
        let (mut entered, mut complaints) = (IndexMap::new(), IndexMap::new());
        for (key, field) in &self.fields {
            let given = given.get(key).map(ExposeSecret::expose_secret).filter(|value| !value.trim().is_empty());
            let read = field.read(given.or(field.default.as_deref()).unwrap_or_default());
            match read.map(Secret::from).and_then(|value| self.sendable(key, field, value)) {
                Ok(value) => drop(entered.insert(key.clone(), value)),
                Err(complaint) => drop(complaints.insert(key.clone(), complaint)),
            }
        }
        Ok(if complaints.is_empty() { Ok(entered) } else { Err(complaints) })
    }

    /// [`Method::read_entered`], with an error for developers about the first fault.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] and [`Error::UnknownOption`]; neither repeats a value.
    pub fn check_entered(&self, given: &Entered) -> Result<Entered> {
        self.read_entered(given)?.map_err(|complaints| {
            let (key, complaint) = complaints.first().expect("what was not read has a complaint");
            self.fields[key].error(key, *complaint)
        })
    }

    /// A key that stands in a request as it is must be visible ASCII (RFC 9110 §5.5): so is every key that a provider
    /// issues. A password that travels as base64 may be anything that a person can type (RFC 7617 §2.1).
    fn sendable(&self, key: &str, field: &Field, value: Secret) -> Result<Secret, Complaint> {
        let as_it_is = || {
            let places = [&self.send.headers, &self.send.query, &self.send.body];
            places.into_iter().flat_map(IndexMap::values).any(|template| template.takes_as_it_is(key))
        };
        let ascii = |value: &str| value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let in_one_line = !matches!(field.kind, FieldKind::Pem | FieldKind::Json);
        if in_one_line && field.options.is_none() && !ascii(value.expose_secret()) && as_it_is() {
            return Err(Complaint::Unsendable);
        }
        Ok(value)
    }
}

impl Field {
    /// What a value should be, as an error for developers. The value is not repeated.
    pub(super) fn error(&self, key: &str, complaint: Complaint) -> Error {
        let example = self.example.as_ref().filter(|_| complaint != Complaint::Missing);
        let example = example.map(|it| format!(", such as `{it}`")).unwrap_or_default();
        Error::invalid(key, format!("{}{example}", complaint.expected(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::load::connector_from_toml;

    fn method(toml: &str) -> Method {
        let base = "name = 'Acme'\nbase_url = 'https://acme.test'\nprobe = { url = '/me' }\n";
        let connector = connector_from_toml("acme", "acme.toml", &format!("{base}{toml}")).unwrap();
        connector.method(None).unwrap().1.clone()
    }

    fn given<const N: usize>(pairs: [(&str, &str); N]) -> Entered {
        pairs.map(|(key, value)| (key.to_owned(), Secret::from(value))).into()
    }

    fn complaints<const N: usize>(method: &Method, pairs: [(&str, &str); N]) -> Vec<(String, Complaint)> {
        method.read_entered(&given(pairs)).unwrap().unwrap_err().into_iter().collect()
    }

    #[test]
    fn every_field_is_read_at_once() {
        let basic = method(
            "[auth.basic]\nfields = { username = { suffix = '@acme' }, password = { secret = true }, site = { options = ['eu'], default = 'eu' } }",
        );
        let read = basic.read_entered(&given([("username", " ada@acme "), ("password", "pw")])).unwrap().unwrap();
        let read: Vec<_> = read.iter().map(|(key, value)| (key.as_str(), value.expose_secret())).collect();
        assert_eq!(read, [("username", "ada"), ("password", "pw"), ("site", "eu")]);
        let wrong = complaints(&basic, [("username", " "), ("password", "a\u{200b}b"), ("site", "us")]);
        let wanted =
            [("username", Complaint::Missing), ("password", Complaint::Invisible), ("site", Complaint::NoChoice)];
        assert_eq!(wrong, wanted.map(|(key, complaint)| (key.to_owned(), complaint)));
    }

    #[test]
    fn a_name_that_is_no_field_is_refused_with_the_nearest() {
        let error = method("[auth.api_key]").read_entered(&given([("api_kye", "x")])).unwrap_err();
        assert_eq!(error.to_string(), "there is no option `api_kye`; did you mean `api_key`?");
    }

    /// The first letter of the second key is Cyrillic.
    #[test]
    fn what_stands_in_a_header_as_it_is_must_be_ascii() {
        let key = method("[auth.api_key]");
        assert_eq!(complaints(&key, [("api_key", "\u{430}bc")]), [("api_key".to_owned(), Complaint::Unsendable)]);
        let error = key.check_entered(&given([("api_key", "\u{430}bc")])).unwrap_err();
        assert_eq!((error.code(), error.to_string().contains("\u{430}bc")), ("INVALID_ARGUMENT", false));
        let basic = method("[auth.basic]");
        assert!(basic.read_entered(&given([("username", "zoë"), ("password", "пароль")])).unwrap().is_ok());
    }

    #[test]
    fn a_value_is_no_longer_than_such_values_are() {
        let (line, lines) = ("k".repeat(8 * 1024), "{}".to_owned() + &" ".repeat(32 * 1024));
        let key = method("[auth.api_key]");
        assert!(key.read_entered(&given([("api_key", &line)])).unwrap().is_ok());
        let longer = format!("{line}k");
        assert_eq!(complaints(&key, [("api_key", &longer)]), [("api_key".to_owned(), Complaint::TooLong)]);
        let json = method(
            "[auth.api_key]\nfields = { key = { kind = 'json', secret = true } }\nsend = { headers = { X-Key = '{key.id}' } }",
        );
        assert_eq!(complaints(&json, [("key", &format!("{lines}x"))]), [("key".to_owned(), Complaint::TooLong)]);
    }
}
