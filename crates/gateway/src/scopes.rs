//! Scopes in words that a person understands, where the language files have them.

use crate::{language::Language, pages::shown};

/// A scope as the link page shows it.
pub(crate) struct Scope {
    /// The provider's own name of it.
    pub(crate) name: String,
    /// What it allows.
    pub(crate) meaning: String,
}

impl Scope {
    /// The `scope` of a connector (its slug and its name).
    pub(crate) fn of(language: &Language, connector: &str, connector_name: &str, scope: &str) -> Self {
        // Only a URL and OpenID's own scopes mean the same everywhere; `read` differs from one provider to the next.
        let standard = ["openid", "email", "profile", "offline_access"].contains(&scope);
        let id = match scope.strip_prefix("https://") {
            Some(address) => format!("scope-{}", slug(address)),
            None if standard => format!("scope-{}", slug(scope)),
            None => format!("scope-{}-{}", slug(connector), slug(scope)),
        };
        let meaning = language
            .find(&id, &[])
            .unwrap_or_else(|| language.say_with("link-scope-other", &[("connector", connector_name.into())]));
        Self { name: shown(scope), meaning }
    }
}

/// `scope` as a part of a message's name.
fn slug(scope: &str) -> String {
    let dashed = scope.trim_end_matches('/').chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    dashed.collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(connector: &str, scope: &str) -> String {
        Scope::of(&Language::all()[0], connector, "Acme", scope).meaning
    }

    #[test]
    fn a_well_known_scope_is_said_in_plain_words() {
        assert_eq!(
            meaning("gmail", "https://mail.google.com/"),
            "Read, write, send and permanently delete all your mail"
        );
        assert_eq!(meaning("github", "read:user"), "Read your profile");
        assert_eq!(meaning("anything", "openid"), "Confirm who you are");
    }

    #[test]
    fn a_scope_is_not_explained_by_another_connector() {
        let unknown = "A further permission, named by \u{2068}Acme\u{2069}";
        assert_eq!(meaning("gitlab", "read:user"), unknown);
        assert_eq!(meaning("other", "link-lead"), unknown);
        assert_eq!(meaning("", ""), unknown);
        // Not the scope `other` of a connector without a name, nor a message that merely begins alike.
        assert_eq!(meaning("openid", ""), unknown);
    }
}
