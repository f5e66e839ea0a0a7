//! The languages of the pages: one Fluent file each, chosen by `Accept-Language`.

use std::{cmp::Ordering, sync::LazyLock};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use http::{HeaderMap, header::ACCEPT_LANGUAGE};

/// A language that the pages speak.
pub struct Language {
    /// Its BCP 47 tag, for `lang`.
    pub code: &'static str,
    /// The direction of its writing, for `dir`.
    pub direction: &'static str,
    bundle: FluentBundle<FluentResource>,
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Language").field(&self.code).finish()
    }
}

static LANGUAGES: LazyLock<[Language; 2]> = LazyLock::new(|| {
    [
        Language::new("en", "ltr", include_str!("../locales/en.ftl")),
        Language::new("de", "ltr", include_str!("../locales/de.ftl")),
    ]
});

impl Language {
    /// Every language; the first is spoken to whoever asks for none of them.
    pub fn all() -> &'static [Self] {
        &*LANGUAGES
    }

    /// The language that a browser likes best (RFC 9110, 12.5.4).
    pub fn preferred(headers: &HeaderMap) -> &'static Self {
        let wishes = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut liked: Vec<(f32, &Self)> = wishes.split(',').filter_map(wish).collect();
        // The sort is stable: among equal weights the first named wins.
        liked.sort_by(|(a, _), (b, _)| b.partial_cmp(a).unwrap_or(Ordering::Equal));
        liked.first().map_or(&Self::all()[0], |(_, language)| language)
    }

    /// The message `id`.
    pub fn say(&self, id: &str) -> String {
        self.say_with(id, &[])
    }

    /// The message `id` with its variables. Each value is isolated, so that right-to-left names can't reorder ours.
    pub fn say_with(&self, id: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        let said = self.find(id, values);
        debug_assert!(said.is_some(), "the languages have no message `{id}`");
        said.unwrap_or_default()
    }

    /// The message `id`, where there is one.
    pub fn find(&self, id: &str, values: &[(&str, FluentValue<'_>)]) -> Option<String> {
        let pattern = self.bundle.get_message(id)?.value()?;
        let arguments: FluentArgs<'_> = values.iter().map(|(name, value)| (*name, value.clone())).collect();
        Some(self.bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned())
    }

    fn new(code: &'static str, direction: &'static str, source: &str) -> Self {
        let tag = code.parse().expect("the tags above are well-formed");
        let messages = FluentResource::try_new(source.into()).expect("the tests parse every locale file");
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        bundle.add_resource(messages).expect("the tests find no message twice");
        Self { code, direction, bundle }
    }
}

/// One entry of `Accept-Language`, if we speak it: `de-CH;q=0.7`.
fn wish(entry: &str) -> Option<(f32, &'static Language)> {
    let (range, weight) = entry.split_once(';').unwrap_or((entry, "q=1"));
    let weight = weight.trim().strip_prefix("q=")?.parse::<f32>().ok().filter(|weight| *weight > 0.0)?;
    let primary = range.trim().split('-').next()?;
    let language = Language::all().iter().find(|language| language.code.eq_ignore_ascii_case(primary))?;
    Some((weight, language))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fluent_syntax::{
        ast::{Entry, Expression, InlineExpression, Pattern, PatternElement},
        parser,
    };
    use proptest::prelude::*;

    use super::*;

    const FILES: [(&str, &str); 2] =
        [("en", include_str!("../locales/en.ftl")), ("de", include_str!("../locales/de.ftl"))];

    fn spoken_to(wishes: &str) -> &'static str {
        let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, wishes.parse().unwrap())]);
        Language::preferred(&headers).code
    }

    #[test]
    fn the_best_liked_language_is_spoken() {
        assert_eq!(spoken_to("de"), "de");
        assert_eq!(spoken_to("DE-ch, en;q=0.9"), "de");
        assert_eq!(spoken_to("fr, en;q=0.3, de;q=0.7"), "de");
        assert_eq!(spoken_to("de;q=0.5, en;q=0.5"), "de");
        assert_eq!(spoken_to("en, de"), "en");
    }

    #[test]
    fn english_is_spoken_to_everybody_else() {
        assert_eq!(Language::preferred(&HeaderMap::new()).code, "en");
        for wishes in ["", "fr", "*", "de;q=0", "de;q=NaN", "de;level=1", "deutsch", ";;,,", "-de"] {
            assert_eq!(spoken_to(wishes), "en", "{wishes}");
        }
    }

    #[test]
    fn every_language_has_the_same_messages_and_variables() {
        let [(_, english), others @ ..] = FILES.map(|(code, source)| (code, messages(source)));
        assert!(english.len() > 80);
        for (code, other) in others {
            assert_eq!(other, english, "{code}.ftl");
        }
        assert_eq!(FILES.map(|(code, _)| code).as_slice(), Language::all().iter().map(|l| l.code).collect::<Vec<_>>());
    }

    #[test]
    fn values_are_isolated_from_the_sentence() {
        let said = Language::all()[0].say_with("connected-heading", &[("connector", "\u{5d0}".into())]);
        assert_eq!(said, "\u{2068}\u{5d0}\u{2069} is connected");
    }

    proptest! {
        #[test]
        fn any_wish_is_answered(wishes in "[ -~]{0,60}") {
            prop_assert!(["en", "de"].contains(&spoken_to(&wishes)));
        }
    }

    /// Each message of a file with the variables it uses.
    fn messages(source: &str) -> BTreeMap<&str, BTreeSet<&str>> {
        let resource = parser::parse(source).expect("a locale file is well-formed");
        let mut messages = BTreeMap::new();
        for entry in &resource.body {
            if let Entry::Message(message) = entry {
                let mut variables = BTreeSet::new();
                collect(message.value.as_ref().expect("a message has a value"), &mut variables);
                assert!(messages.insert(message.id.name, variables).is_none(), "`{}` twice", message.id.name);
            }
        }
        messages
    }

    fn collect<'a>(pattern: &Pattern<&'a str>, variables: &mut BTreeSet<&'a str>) {
        for element in &pattern.elements {
            let PatternElement::Placeable { expression } = element else { continue };
            let (Expression::Inline(inline) | Expression::Select { selector: inline, .. }) = expression;
            let InlineExpression::VariableReference { id } = inline else { panic!("only variables are used") };
            variables.insert(id.name);
            if let Expression::Select { variants, .. } = expression {
                variants.iter().for_each(|variant| collect(&variant.value, variables));
            }
        }
    }
}
