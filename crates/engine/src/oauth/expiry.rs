//! When an access token ends, out of the many ways in which providers say it.

use std::time::Duration;

use super::{Registration, document::Document};
use crate::time::Timestamp;

/// No life is believed to be longer: ten years.
const LONGEST_SECONDS: f64 = 10.0 * 365.0 * 86_400.0;

/// The end of the access token in `document`; nothing when the provider does not say and the connector neither.
///
/// A life of nothing or less is read as not said: Mailchimp writes `"expires_in": 0` for tokens that never end, and a
/// token that had really ended shows itself by a 401.
pub(super) fn expires_at(
    document: &Document,
    registration: &Registration,
    received_at: Timestamp,
) -> Option<Timestamp> {
    let paths = &registration.response;
    let number = |path: &str| document.text(path).and_then(number);
    let millis = |path: &Option<String>| path.as_deref().and_then(number).map(|millis| millis / 1000.0);
    let moment = |path: &str| {
        let at = document.text(path).and_then(moment)?;
        Some((at - received_at.as_millis() as f64) / 1000.0)
    };
    let lives = [
        number(paths.expires_in.as_deref().unwrap_or("expires_in")),
        millis(&paths.expires_in_ms),
        moment(paths.expires_at.as_deref().unwrap_or("expires_at")),
        registration.expires_in.map(|seconds| seconds as f64),
    ];
    let seconds = lives.into_iter().flatten().find(|seconds| *seconds > 0.0)?;
    Some(received_at.plus(Duration::from_secs_f64(seconds.min(LONGEST_SECONDS))))
}

/// A number in any notation. JSON has no largest number: `1e400` is infinite here, and clamped later.
fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| !number.is_nan())
}

/// A moment in epoch milliseconds: epoch seconds, epoch milliseconds (beyond 10^11), or RFC 3339.
fn moment(text: &str) -> Option<f64> {
    match number(text) {
        Some(number) if number.abs() > 1e11 => Some(number),
        Some(number) => Some(number * 1000.0),
        None => rfc_3339(text.trim()).map(|millis| millis as f64),
    }
}

/// Epoch milliseconds of an RFC 3339 timestamp (§5.6), such as `2026-01-31T12:00:00.5+02:00`.
fn rfc_3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let field = |from: usize, to: usize, lowest: i64, highest: i64| -> Option<i64> {
        let digits = text.get(from..to).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
        digits.parse().ok().filter(|value| (lowest..=highest).contains(value))
    };
    let separators = [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")];
    if !separators.iter().all(|(at, allowed)| bytes.get(*at).is_some_and(|byte| allowed.as_bytes().contains(byte))) {
        return None;
    }
    let (year, month, day) = (field(0, 4, 0, 9999)?, field(5, 7, 1, 12)?, field(8, 10, 1, 31)?);
    // A leap second is the next one's beginning here.
    let (hour, minute, second) = (field(11, 13, 0, 23)?, field(14, 16, 0, 59)?, field(17, 19, 0, 60)?);

    let rest = text.get(19..)?;
    let (millis, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => {
            let end = rest.find(|letter: char| !letter.is_ascii_digit()).filter(|end| *end > 0)?;
            let millis: f64 = format!("0.{}", &rest[..end]).parse().ok()?;
            ((millis * 1000.0) as i64, &rest[end..])
        }
    };
    let offset = match zone.as_bytes() {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let start = text.len() - 5;
            let minutes = field(start, start + 2, 0, 23)? * 60 + field(start + 3, start + 5, 0, 59)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset;
    Some((minutes * 60 + second) * 1000 + millis)
}

/// Days of the proleptic Gregorian calendar, counted in years that begin in March so that a leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year;
    // 1970-01-01 on this count, which begins with 0000-03-01.
    days - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oauth::tests::registration;

    /// 2026-01-01T00:00:00Z.
    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);
    const TEN_YEARS: f64 = LONGEST_SECONDS;

    fn life(registration: &Registration, body: &str) -> Option<f64> {
        let end = expires_at(&Document::read(body.as_bytes()), registration, NOW)?;
        Some((end.as_millis() - NOW.as_millis()) as f64 / 1000.0)
    }

    // A106
    #[test]
    fn expires_in_is_read_in_any_form_and_clamped() {
        for (value, expected) in [
            ("3600", Some(3600.0)),
            (r#""3600""#, Some(3600.0)),
            (r#"" 3600 ""#, Some(3600.0)),
            ("3600.5", Some(3600.5)),
            ("3.6e3", Some(3600.0)),
            ("1e9", Some(TEN_YEARS)),
            ("1e400", Some(TEN_YEARS)),
            ("0", None),
            ("-1", None),
            ("-1e400", None),
            ("NaN", None),
            ("null", None),
            ("true", None),
            ("[3600]", None),
            (r#""""#, None),
            (r#""1 hour""#, None),
        ] {
            assert_eq!(life(&registration(), &format!(r#"{{"expires_in":{value}}}"#)), expected, "{value}");
        }
    }

    #[test]
    fn what_the_provider_does_not_say_the_connector_may() {
        let mut registration = registration();
        assert_eq!(life(&registration, "{}"), None);
        registration.expires_in = Some(7200);
        assert_eq!(life(&registration, "{}"), Some(7200.0));
        assert_eq!(life(&registration, r#"{"expires_in":"odd"}"#), Some(7200.0));
        assert_eq!(life(&registration, r#"{"expires_in":60}"#), Some(60.0));
    }

    #[test]
    fn expires_at_is_epoch_seconds_milliseconds_or_rfc_3339() {
        for (value, expected) in [
            ("1767229200", Some(3600.0)),
            (r#""1767229200""#, Some(3600.0)),
            ("1767229200000", Some(3600.0)),
            (r#""2026-01-01T01:00:00Z""#, Some(3600.0)),
            (r#""2026-01-01t03:00:00.250+02:00""#, Some(3600.25)),
            (r#""2025-12-31 19:00:00-06:00""#, Some(3600.0)),
            (r#""2099-01-01T00:00:00Z""#, Some(TEN_YEARS)),
            // Ended already, which a token just given is not: the clocks disagree.
            (r#""2025-12-31T00:00:00Z""#, None),
            ("0", None),
            (r#""2026-01-01T01:00:00""#, None),
            (r#""2026-13-01T01:00:00Z""#, None),
            (r#""2026-01-01T25:00:00Z""#, None),
            (r#""tomorrow""#, None),
        ] {
            assert_eq!(life(&registration(), &format!(r#"{{"expires_at":{value}}}"#)), expected, "{value}");
        }
    }

    #[test]
    fn paths_and_milliseconds_are_the_connectors() {
        let mut registration = registration();
        registration.response.expires_in_ms = Some("data.ttl".into());
        assert_eq!(life(&registration, r#"{"data":{"ttl":90000}}"#), Some(90.0));
        registration.response.expires_at = Some("expiresAt".into());
        assert_eq!(life(&registration, r#"{"expiresAt":"2026-01-01T01:00:00Z"}"#), Some(3600.0));
    }

    #[test]
    fn known_moments_are_right() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600_000),
            ("2024-12-31T23:59:60Z", 1_735_689_600_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
        ] {
            assert_eq!(rfc_3339(text), Some(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn dates_agree_with_httpdate(seconds in 0i64..253_402_300_799) {
            let http = httpdate::HttpDate::from(std::time::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs()));
            let text = http.to_string();
            let month = 1 + "JanFebMarAprMayJunJulAugSepOctNovDec".find(&text[8..11]).unwrap() / 3;
            let iso = format!("{}-{month:02}-{}T{}Z", &text[12..16], &text[5..7], &text[17..25]);
            prop_assert_eq!(rfc_3339(&iso), Some(seconds * 1000), "{}", iso);
        }

        #[test]
        fn an_end_is_within_ten_years(value in "[0-9eE+.TZ: -]{0,30}") {
            let mut registration = registration();
            registration.response.expires_in_ms = Some("ms".into());
            let body = serde_json::json!({ "expires_in": value, "expires_at": value, "ms": value }).to_string();
            if let Some(life) = life(&registration, &body) {
                prop_assert!((0.0..=TEN_YEARS).contains(&life));
            }
        }
    }
}
