//! How a provider treats refresh tokens: what a refresh risks, and what keeps a grant alive.
//!
//! RFC 6749 §6 leaves it to the provider whether a refresh token is replaced when it is used; RFC 9700 §4.14.2 has it end
//! the grant when a replaced one comes again. Some forgive that for a while, because an answer can get lost on its way.
//! What a connector does not say is taken to be the worst, so that a missing fact costs time and never a grant.

use std::{num::NonZeroU32, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

const DAY: u64 = 86_400;
/// What a file may call a life: up to ten years.
const LIVES: RangeInclusive<u64> = 1..=3650 * DAY;
/// Longer than a minute no lagging replica answers wrongly, and people wait for the answer.
const CONFIRMATIONS: RangeInclusive<u64> = 0..=60;
const FASTEST: u32 = 1000;
/// What a request may need to reach the provider.
const LEAST_MARGIN: Duration = Duration::from_secs(5);

/// The facts about a provider's refresh tokens: the table `refresh_tokens` of a method.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Whether a refresh replaces the refresh token; `maybe` unless given.
    pub rotation: Rotation,
    /// How long a replaced refresh token still works, counted from its first use. None: it is dead at once.
    #[serde(rename = "grace_s", deserialize_with = "life")]
    pub grace: Option<Duration>,
    /// What a replaced refresh token is answered with during its grace; `new` unless given.
    pub grace_result: Successor,
    /// Whether a replaced refresh token that comes again, after its grace, ends the whole grant; so unless given.
    pub reuse_revokes: bool,
    /// How long after an `invalid_grant` the provider is asked once more, since a lagging replica may have answered;
    /// five seconds unless given.
    #[serde(rename = "confirm_s", deserialize_with = "confirmation")]
    pub confirm: Duration,
    /// A refresh token that is not used for so long dies.
    #[serde(rename = "idle_life_s", deserialize_with = "life")]
    pub idle_life: Option<Duration>,
    /// A grant ends so long after the person's consent, however often it is refreshed.
    #[serde(rename = "absolute_life_s", deserialize_with = "life")]
    pub absolute_life: Option<Duration>,
    /// How many token requests a second the provider takes from one app.
    #[serde(rename = "max_rps", deserialize_with = "rate")]
    pub most_per_second: Option<NonZeroU32>,
}

/// Whether a refresh replaces the refresh token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// The same refresh token serves every time.
    Never,
    /// Sometimes, for some apps, or not known.
    #[default]
    Maybe,
    /// Each serves once.
    Always,
}

/// What a replaced refresh token is answered with during its grace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Successor {
    /// The tokens that replaced it, once more.
    Same,
    /// Further new tokens; those of an earlier answer may be dead by then.
    #[default]
    New,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            rotation: Rotation::default(),
            grace: None,
            grace_result: Successor::default(),
            reuse_revokes: true,
            confirm: Duration::from_secs(5),
            idle_life: None,
            absolute_life: None,
            most_per_second: None,
        }
    }
}

impl Profile {
    /// Whether sending a refresh token once more can end the grant, when there is no grace or it has passed.
    pub fn reuse_kills(&self) -> bool {
        self.rotation != Rotation::Never && self.reuse_revokes
    }

    /// How long after a refresh token was first sent it may be sent again without risk, where no answer came: the grace,
    /// less what the way to the provider may take. [`Duration::MAX`] where a repetition never does harm; none where it
    /// always may.
    pub fn repeat_within(&self) -> Option<Duration> {
        if !self.reuse_kills() {
            return Some(Duration::MAX);
        }
        let grace = self.grace?;
        grace.checked_sub((grace / 5).max(LEAST_MARGIN)).filter(|within| !within.is_zero())
    }

    /// Whether a repetition within [`Self::repeat_within`] need not wait until the first request is surely over: in
    /// whatever order the provider gets the two, the answer to the second is good.
    pub fn may_repeat_at_once(&self) -> bool {
        let same = self.grace_result == Successor::Same && self.repeat_within().is_some();
        same || !self.reuse_kills()
    }

    /// How long after its last use a refresh token is to be used so that it stays alive, even while nobody needs an access
    /// token: half of its idle life, which leaves the other half for a provider that is down. None where it never dies
    /// of disuse, as far as is known.
    pub fn keep_alive_after(&self) -> Option<Duration> {
        self.idle_life.map(|life| life / 2)
    }

    /// Facts that exclude each other: the key of one of them, and the problem.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let shortest_life = [self.idle_life, self.absolute_life].into_iter().flatten().min();
        let longer =
            |one: Option<Duration>, other: Option<Duration>| one.zip(other).is_some_and(|(one, other)| one > other);
        let all = [
            (
                self.grace.is_some() && self.rotation == Rotation::Never,
                ("grace_s", "`grace_s` is for a refresh token that was replaced; with `rotation = \"never\"` none is"),
            ),
            (
                self.grace.is_none() && self.grace_result == Successor::Same,
                ("grace_result", "`grace_result` says what comes within `grace_s`, which is missing"),
            ),
            (
                longer(self.idle_life, self.absolute_life),
                ("idle_life_s", "`idle_life_s` is longer than `absolute_life_s`, so that it never counts"),
            ),
            (longer(self.grace, shortest_life), ("grace_s", "`grace_s` is longer than a refresh token lives")),
        ];
        all.into_iter().filter_map(|(holds, contradiction)| holds.then_some(contradiction))
    }
}

fn life<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    seconds(deserializer, LIVES).map(Some)
}

fn confirmation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    seconds(deserializer, CONFIRMATIONS)
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D, allowed: RangeInclusive<u64>) -> Result<Duration, D::Error> {
    let seconds = u64::deserialize(deserializer).ok().filter(|seconds| allowed.contains(seconds));
    let (least, most) = allowed.into_inner();
    let problem = || D::Error::custom(format_args!("the value must be whole seconds, from {least} to {most}"));
    seconds.map(Duration::from_secs).ok_or_else(problem)
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU32>, D::Error> {
    let rate = NonZeroU32::deserialize(deserializer).ok().filter(|rate| rate.get() <= FASTEST);
    let problem = || D::Error::custom(format_args!("the value must be a whole number, from 1 to {FASTEST}"));
    rate.ok_or_else(problem).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::document::Node, *};

    const MINUTE: Duration = Duration::from_secs(60);

    fn read(toml: &str) -> Result<Profile, String> {
        let document = Node::from_toml("acme.toml", toml).unwrap();
        Profile::deserialize(&document).map_err(|fault| fault.to_string())
    }

    fn profile(toml: &str) -> Profile {
        read(toml).unwrap()
    }

    #[test]
    fn what_a_file_does_not_say_is_the_worst() {
        let unsaid = profile("");
        assert_eq!(unsaid, Profile::default());
        assert!(unsaid.reuse_kills() && !unsaid.may_repeat_at_once());
        assert_eq!((unsaid.repeat_within(), unsaid.keep_alive_after()), (None, None));
        assert_eq!((unsaid.rotation, unsaid.confirm), (Rotation::Maybe, Duration::from_secs(5)));
    }

    #[test]
    fn every_key_is_read() {
        let all = profile(
            "rotation = 'always'\ngrace_s = 60\ngrace_result = 'same'\nreuse_revokes = false\nconfirm_s = 0\n\
             idle_life_s = 120\nabsolute_life_s = 180\nmax_rps = 2",
        );
        let expected = Profile {
            rotation: Rotation::Always,
            grace: Some(MINUTE),
            grace_result: Successor::Same,
            reuse_revokes: false,
            confirm: Duration::ZERO,
            idle_life: Some(2 * MINUTE),
            absolute_life: Some(3 * MINUTE),
            most_per_second: NonZeroU32::new(2),
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn a_value_that_cannot_be_is_refused_with_its_line() {
        let seconds = "the value must be whole seconds, from 1 to 315360000";
        let confirmation = "the value must be whole seconds, from 0 to 60";
        let rate = "the value must be a whole number, from 1 to 1000";
        for (toml, problem) in [
            ("grace_s = 0", seconds),
            ("grace_s = -1", seconds),
            ("idle_life_s = 315360001", seconds),
            ("absolute_life_s = 0.5", seconds),
            ("absolute_life_s = '60'", seconds),
            ("confirm_s = 61", confirmation),
            ("confirm_s = -1", confirmation),
            ("max_rps = 0", rate),
            ("max_rps = 0.5", rate),
            ("max_rps = -1", rate),
            ("max_rps = 1001", rate),
            ("max_rps = nan", rate),
            ("max_rps = '1'", rate),
            ("rotation = 'sometimes'", "`sometimes` is none of `never`, `maybe`, `always`"),
            ("grace_result = 'old'", "`old` is none of `same`, `new`"),
            ("grace = 60", "unknown key `grace`; did you mean `grace_s`?"),
        ] {
            let expected = format!("acme.toml:2: {problem}");
            assert_eq!(read(&format!("reuse_revokes = true\n{toml}")).unwrap_err(), expected, "{toml}");
        }
    }

    #[test]
    fn a_token_that_is_never_replaced_may_be_sent_again_at_any_time() {
        let never = profile("rotation = 'never'");
        assert!(never.may_repeat_at_once() && !never.reuse_kills());
        assert_eq!(never.repeat_within(), Some(Duration::MAX));
    }

    #[test]
    fn a_provider_that_does_not_punish_reuse_may_be_asked_again_at_any_time() {
        let lenient = profile("rotation = 'always'\nreuse_revokes = false");
        assert!(lenient.may_repeat_at_once() && !lenient.reuse_kills());
        assert_eq!(lenient.repeat_within(), Some(Duration::MAX));
    }

    // F44
    #[test]
    fn within_its_grace_a_replaced_token_may_be_sent_again() {
        let within = |seconds: u64| profile(&format!("grace_s = {seconds}")).repeat_within();
        assert_eq!(within(600), Some(8 * MINUTE), "a fifth is left for the way");
        assert_eq!(within(10), Some(Duration::from_secs(5)), "the way takes five seconds at least");
        assert_eq!((within(5), within(1)), (None, None), "too short to be of use");
    }

    #[test]
    fn a_second_request_overtakes_the_first_only_where_both_bring_the_same() {
        let same = profile("grace_s = 600\ngrace_result = 'same'");
        assert!(same.may_repeat_at_once() && same.reuse_kills(), "after the grace");
        assert!(!profile("grace_s = 600").may_repeat_at_once());
        assert!(!profile("grace_s = 5\ngrace_result = 'same'").may_repeat_at_once());
    }

    #[test]
    fn a_token_is_kept_alive_at_half_of_its_idle_life() {
        assert_eq!(profile("idle_life_s = 600").keep_alive_after(), Some(5 * MINUTE));
        assert_eq!(profile("absolute_life_s = 600").keep_alive_after(), None, "nothing prolongs that");
    }

    fn any_profile() -> impl Strategy<Value = Profile> {
        let rotation = prop_oneof![Just(Rotation::Never), Just(Rotation::Maybe), Just(Rotation::Always)];
        let successor = prop_oneof![Just(Successor::Same), Just(Successor::New)];
        let life = || proptest::option::of(LIVES.prop_map(Duration::from_secs));
        (rotation, successor, any::<bool>(), life(), life()).prop_map(
            |(rotation, grace_result, reuse_revokes, grace, idle_life)| Profile {
                rotation,
                grace,
                grace_result,
                reuse_revokes,
                idle_life,
                ..Profile::default()
            },
        )
    }

    proptest! {
        #[test]
        fn nothing_is_repeated_that_could_end_the_grant(profile in any_profile()) {
            if profile.reuse_kills() {
                let within = profile.repeat_within();
                prop_assert!(within.is_none_or(|within| profile.grace.is_some_and(|grace| within + LEAST_MARGIN <= grace)));
                prop_assert!(!profile.may_repeat_at_once() || within.is_some());
            }
            prop_assert!(profile.keep_alive_after() < profile.idle_life || profile.idle_life.is_none());
        }
    }
}
