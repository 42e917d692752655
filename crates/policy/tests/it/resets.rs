//! When providers ask to come back, in the forms in which they say it.

use std::time::Duration;

use dialect::Dialect;
use dialect::failure::ProviderError;
use policy::reset::{Headers, LONGEST, after, emptied};
use proptest::prelude::*;

/// 21 October 2015, 07:28:00 UTC.
const NOW_MS: i64 = 1_445_412_480_000;

struct Given<'a>(Vec<(&'a str, &'a str)>);

impl Headers for Given<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }

    fn each(&self, show: &mut dyn FnMut(&str, &str)) {
        self.0.iter().for_each(|(name, value)| show(name, value));
    }
}

fn told(headers: &[(&str, &str)]) -> Option<Duration> {
    after(&Given(headers.to_vec()), &ProviderError::default(), NOW_MS)
}

fn ms(ms: u64) -> Option<Duration> {
    Some(Duration::from_millis(ms))
}

#[test]
fn every_form_of_retry_after_is_read() {
    for (value, means) in [
        ("7", ms(7_000)),
        ("0", ms(0)),
        ("1.5", ms(1_500)),
        (" 2 ", ms(2_000)),
        ("34s", ms(34_000)),
        ("Wed, 21 Oct 2015 07:28:30 GMT", ms(30_000)),
        ("Wed, 21 Oct 2015 07:27:00 GMT", ms(0)),
        ("2015-10-21T07:29:00Z", ms(60_000)),
        ("1445412490", ms(10_000)),
        ("1445412481500", ms(1_500)),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("NaN", None),
        ("inf", None),
        ("7 weeks", None),
    ] {
        assert_eq!(told(&[("retry-after", value)]), means, "{value}");
    }
}

#[test]
fn milliseconds_win_where_they_say_anything() {
    let both = |ms| [("retry-after", "1"), ("retry-after-ms", ms)];
    assert_eq!(told(&both("250")), ms(250));
    assert_eq!(told(&both("0")), ms(1_000));
    assert_eq!(told(&both("x")), ms(1_000));
    assert_eq!(told(&[("retry-after-ms", "0")]), ms(0));
}

#[test]
fn what_is_absurd_is_bounded() {
    for value in [
        "31536000",
        "999999999",
        "1e300",
        "99999999999999999999999999",
        "9999h",
        "Thu, 31 Dec 9998 23:59:59 GMT",
        "9998-12-31T23:59:59Z",
    ] {
        let read = told(&[("retry-after", value)]);
        assert_eq!(read, Some(LONGEST), "{value}");
    }
}

#[test]
fn a_limit_of_which_nothing_remains_says_when_it_is_renewed() {
    let empty = |pairs: &[(&str, &str)]| emptied(&Given(pairs.to_vec()), NOW_MS);
    for (reset, means) in [
        ("1s", 1_000),
        ("6m0s", 360_000),
        ("120ms", 120),
        ("2.5", 2_500),
    ] {
        let headers = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", reset),
            ("x-ratelimit-remaining-tokens", "1"),
            ("x-ratelimit-reset-tokens", "59s"),
        ];
        assert_eq!(empty(&headers), ms(means), "{reset}");
    }
    let both = [
        ("anthropic-ratelimit-tokens-remaining", "0"),
        ("anthropic-ratelimit-tokens-reset", "2015-10-21T07:28:05Z"),
        ("anthropic-ratelimit-requests-remaining", "0"),
        ("anthropic-ratelimit-requests-reset", "2015-10-21T07:28:10Z"),
    ];
    assert_eq!(empty(&both), ms(10_000));
    assert_eq!(
        empty(&[
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1445412481")
        ]),
        ms(1_000)
    );
    assert_eq!(
        empty(&[
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "0s")
        ]),
        None
    );
    assert_eq!(empty(&[("x-ratelimit-remaining-tokens", "0")]), None);
}

#[test]
fn a_body_may_say_it_too() {
    let google = r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.Help"},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.074824224s"}]}}"#;
    let plain = r#"{"error":{"message":"slower","type":"rate_limit_error","retry_after":1.5}}"#;
    for (dialect, body, means) in [
        (Dialect::Gemini, google, 34_074),
        (Dialect::OpenaiChat, plain, 1_500),
    ] {
        let error = dialect.client().decode_failure(body.as_bytes());
        let read = after(&Given(Vec::new()), &error, NOW_MS).unwrap();
        assert_eq!(read.as_millis(), means);
        let over = Given(vec![("retry-after", "3")]);
        assert_eq!(after(&over, &error, NOW_MS), ms(3_000));
    }
}

proptest! {
    #[test]
    fn nothing_that_a_provider_says_is_longer_than_the_bound(value in ".{0,40}", now in any::<i64>()) {
        let given = Given(vec![
            ("retry-after", &value),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", &value),
        ]);
        let read = after(&given, &ProviderError::default(), now);
        prop_assert!(read.is_none_or(|read| read <= LONGEST));
    }

    #[test]
    fn lengths_are_read_as_they_are_written(h in 0_u64..20, m in 0_u64..60, s in 0_u64..60, left in 0_u64..1000) {
        let text = format!("{h}h{m}m{s}s{left}ms");
        let read = told(&[("retry-after", &text)]).unwrap();
        let means = Duration::from_millis(((h * 60 + m) * 60 + s) * 1000 + left);
        prop_assert!(read.abs_diff(means) < Duration::from_micros(1));
    }
}
