//! How long a provider asks us to wait.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use crate::time::Timestamp;

/// No provider is asked again sooner, whatever it says.
const SHORTEST: Duration = Duration::from_secs(1);
/// Nor waited for longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// The reset headers of 200 providers, the commonest names first.
const RESETS: [&str; 6] = [
    "ratelimit-reset",
    "x-ratelimit-reset",
    "x-rate-limit-reset",
    "x-ratelimit-requests-reset",
    "x-ratelimit-retry-after",
    "x-retry-after",
];

/// How long to wait before the next request, between a second and an hour; nothing when the provider does not say.
///
/// `Retry-After` is honoured with any status. The reset headers count only when the answer is a rate limit, because
/// providers send them with every answer (GitHub): a status 429, or a 403 with nothing remaining (GitHub, Google).
pub fn retry_after(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text(header::RETRY_AFTER.as_str()).and_then(|text| delay(text, now).or_else(|| until_date(text, now)));
    let reset = || {
        let known = RESETS.iter().filter_map(|name| text(name));
        let named = headers.iter().filter(|(name, _)| is_named_reset(name.as_str()));
        let named = named.filter_map(|(_, value)| value.to_str().ok()).map(str::trim);
        known.chain(named).find_map(|text| delay(text, now))
    };
    let limited = status == StatusCode::TOO_MANY_REQUESTS || (status == StatusCode::FORBIDDEN && is_used_up(headers));
    asked.or_else(|| limited.then(reset).flatten()).map(|wait| wait.clamp(SHORTEST, LONGEST))
}

/// A number: epoch milliseconds, epoch seconds or a delay in seconds, by its size.
fn delay(text: &str, now: Timestamp) -> Option<Duration> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    let until = |millis: f64| now.until(Timestamp::from_millis(millis as i64));
    Some(if number > 1e12 {
        until(number)
    } else if number > 1e9 {
        until(number * 1000.0)
    } else {
        Duration::from_secs_f64(number.max(0.0))
    })
}

fn until_date(text: &str, now: Timestamp) -> Option<Duration> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(now.until(Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?)))
}

/// `x-<name>-reset`, as in Discord's or Trello's own names.
fn is_named_reset(name: &str) -> bool {
    name.starts_with("x-") && name.ends_with("-reset")
}

fn is_used_up(headers: &HeaderMap) -> bool {
    headers.iter().any(|(name, value)| name.as_str().ends_with("remaining") && value == "0")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    /// 2026-01-01T00:00:00Z.
    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    fn wait(status: u16, headers: &[(&str, &str)]) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap()))
            .collect();
        retry_after(StatusCode::from_u16(status).unwrap(), &headers, NOW).map(|wait| wait.as_secs())
    }

    // A111
    #[test]
    fn no_value_makes_us_hammer_or_wait_for_ever() {
        for (value, expected) in [
            ("30", Some(30)),
            ("1.5", Some(1)),
            ("0", Some(1)),
            ("-1", Some(1)),
            ("7200", Some(3600)),
            ("1000000000000", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("1767225660", Some(60)),
            ("1767225660000", Some(60)),
            ("Thu, 01 Jan 2026 00:02:00 GMT", Some(120)),
            ("Thu, 01 Jan 2015 00:02:00 GMT", Some(1)),
            ("Thu, 01 Jan 2099 00:02:00 GMT", Some(3600)),
            ("soon", None),
            ("", None),
            ("NaN", None),
            ("inf", None),
        ] {
            assert_eq!(wait(503, &[("retry-after", value)]), expected, "{value:?}");
        }
    }

    #[test]
    fn reset_headers_count_in_their_order_and_after_retry_after() {
        let reset = ("x-ratelimit-reset", "1767225640");
        assert_eq!(wait(429, &[reset]), Some(40));
        assert_eq!(wait(429, &[reset, ("ratelimit-reset", "20")]), Some(20));
        assert_eq!(wait(429, &[reset, ("retry-after", "10")]), Some(10));
        assert_eq!(wait(429, &[reset, ("retry-after", "soon")]), Some(40));
        assert_eq!(wait(429, &[("x-shop-limit-reset", "7")]), Some(7));
    }

    #[test]
    fn reset_headers_of_other_answers_mean_nothing() {
        let reset = ("x-ratelimit-reset", "40");
        assert_eq!(wait(500, &[reset]), None);
        assert_eq!(wait(403, &[reset]), None);
        assert_eq!(wait(403, &[reset, ("x-ratelimit-remaining", "12")]), None);
        assert_eq!(wait(403, &[reset, ("x-ratelimit-remaining", "0")]), Some(40));
    }

    proptest! {
        // A111
        #[test]
        fn a_wait_is_between_a_second_and_an_hour(value in "[ -~]{0,30}|-?[0-9]{1,20}(\\.[0-9]{1,3})?(e[0-9]{1,3})?") {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::try_from(value).unwrap());
            if let Some(wait) = retry_after(StatusCode::TOO_MANY_REQUESTS, &headers, NOW) {
                prop_assert!((SHORTEST..=LONGEST).contains(&wait));
            }
        }
    }
}
