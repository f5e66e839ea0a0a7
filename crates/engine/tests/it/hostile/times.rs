//! How long a token lives, as providers say it, and how often they are asked for that (A106).

use std::time::Duration;

use super::{Encounter, provider::json};

// A106
#[tokio::test]
async fn no_life_that_a_provider_names_makes_us_ask_in_a_loop() {
    let decade = 10 * 365 * 86_400;
    let encounter = Encounter::with("user_1").await;
    for (expires_in, life) in [
        ("3600", Some(3600)),
        (r#""3600""#, Some(3600)),
        ("3600.5", Some(3600)),
        ("1e9", Some(decade)),
        ("1e400", Some(decade)),
        ("18446744073709551616", Some(decade)),
        ("1", Some(1)),
        ("1e-400", None),
        ("0", None),
        ("-1", None),
        ("-1e400", None),
        ("null", None),
        ("NaN", None),
        ("Infinity", Some(decade)),
        ("[3600]", None),
        (r#"{"seconds":3600}"#, None),
        (r#""""#, None),
        ("true", None),
    ] {
        let person = format!("user of {expires_in}");
        encounter.consents(&person).await;
        // Whatever the life, the provider issues the same again and again.
        let body = format!(r#"{{"access_token":"new-access","expires_in":{expires_in}}}"#);
        assert_eq!(encounter.refreshes(&person, json(200, &body)).await.unwrap(), "new-access", "{expires_in}");
        let ends = encounter.account(&person).await.token_expires_at;
        let now = encounter.now();
        assert_eq!(ends.map(|end| now.until(end).as_secs()), life, "{expires_in}");

        // While it lives, or is not known to have ended, nobody is asked, however often it is wanted.
        let before = encounter.provider.requests().len();
        for _ in 0..5 {
            assert_eq!(encounter.token(&person).await.unwrap(), "new-access", "{expires_in}");
        }
        encounter.world.pass(Duration::from_secs(if life.is_none() { 365 * 86_400 } else { 0 }));
        assert_eq!(encounter.token(&person).await.unwrap(), "new-access", "{expires_in}");
        assert_eq!(encounter.provider.requests().len(), before, "{expires_in}");
    }
}

// A106: a token that is always about to end is refreshed when it has, once for everyone who waits. The least of thirty
// seconds between two refreshes holds while the token still serves. It does not hold for one that has ended: waiting
// would hand out what the provider is sure to refuse, and an honest provider of such brief tokens could not be used.
#[tokio::test]
async fn tokens_of_a_second_are_refreshed_once_each() {
    let encounter = Encounter::with("user_1").await;
    let brief = r#"{"access_token":"new-access","expires_in":1}"#;
    encounter.refreshes("user_1", json(200, brief)).await.unwrap();
    let before = encounter.provider.requests().len();
    for second in 1..=10 {
        encounter.world.pass(Duration::from_secs(1));
        encounter.provider.next(json(200, brief));
        for _ in 0..10 {
            encounter.token("user_1").await.unwrap();
        }
        assert_eq!(encounter.provider.requests().len() - before, second);
    }
}
