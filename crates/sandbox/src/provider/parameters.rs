//! The parameters of a query or a form: each at most once (RFC 6749, 3.1 and 3.2).

/// Parameters in order, decoded.
#[derive(Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

/// A parameter came twice: which one is meant cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

impl Parameters {
    /// Decodes `application/x-www-form-urlencoded`.
    pub fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The value of a parameter. One without a value counts as left out (RFC 6749, 3.1).
    ///
    /// # Errors
    /// [`Repeated`].
    pub fn once(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Repeated),
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    /// Every value of a parameter, such as a form's checkboxes.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
