//! "Did you mean": the known word that a misspelt one was probably meant to be.

/// The candidate nearest to `word`, if one is near enough to be worth showing.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?`, or nothing.
pub(crate) fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(word, candidates).map(|candidate| format!("; did you mean `{candidate}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_word_is_offered() {
        assert_eq!(nearest("scope", ["scopes", "steps"]), Some("scopes"));
        assert_eq!(nearest("gmial", ["github", "gmail"]), Some("gmail"));
        assert_eq!(nearest("quux", ["scopes", "steps"]), None);
        assert_eq!(did_you_mean("scope", ["scopes"]), "; did you mean `scopes`?");
    }
}
