//! A strict provider, with the one policy of its run for refresh tokens, that keeps a log of every token request and of
//! what became of its answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{task, time::Instant};

use crate::{process::Process, world::World};

/// What it does when a refresh token is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Each is good once; a second use ends all that came of the same grant (RFC 9700 §4.14.2).
    StrictAndRevoking,
    /// Each is good once; a second use is refused.
    Strict,
    /// For a while, a second use brings the same successor.
    GraceSame,
    /// For a while, a second use brings another successor.
    GraceNew,
    /// It stays what it is.
    NoRotation,
}

impl Policy {
    /// What a connector says of it.
    pub(crate) fn profile(self) -> &'static str {
        match self {
            Self::StrictAndRevoking => "[auth.oauth2.refresh_tokens]\nrotation = 'always'",
            Self::Strict => "[auth.oauth2.refresh_tokens]\nrotation = 'always'\nreuse_revokes = false",
            Self::GraceSame => "[auth.oauth2.refresh_tokens]\nrotation = 'always'\ngrace_s = 60\ngrace_result = 'same'",
            Self::GraceNew => "[auth.oauth2.refresh_tokens]\nrotation = 'always'\ngrace_s = 60",
            Self::NoRotation => "[auth.oauth2.refresh_tokens]\nrotation = 'never'",
        }
    }
}

/// How long a used token is still good where the policy has grace.
const GRACE: Duration = Duration::from_secs(60);

/// What the token endpoint is like at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Working,
    /// 500 or 503, sometimes after the request was carried out.
    Failing,
    /// 429.
    Throttling,
    /// `invalid_client`.
    RefusingApp,
    /// One of its replicas does not know the newest tokens yet.
    Lagging,
}

/// Who ended a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    User,
    /// A refresh token was used again.
    Reuse,
}

/// One token request, from its sender's first byte on.
#[derive(Debug)]
struct Exchange {
    user: usize,
    grant: usize,
    sender: Arc<Process>,
    task: Option<task::Id>,
    sent_at: Instant,
    /// Whether its sender has dealt with it, or was told that there is no answer.
    over: bool,
    /// The refresh token that it brought.
    brought: Option<usize>,
    refused: bool,
    delivered: bool,
    journaled: bool,
}

impl Exchange {
    /// Whether its answer may never have got as far as a journal that others can read: it was lost on its way, or with its
    /// sender, or its sender stood still with it in hand.
    fn is_lost(&self) -> bool {
        !(self.delivered && self.journaled) || self.sender.has_stopped_since(self.sent_at)
    }
}

/// One person's consent, and every refresh token that came of it.
#[derive(Debug, Default)]
struct Grant {
    ended: Option<End>,
    tokens: Vec<RefreshToken>,
}

/// A refresh token, and when and by which request it was first used.
#[derive(Debug, Default)]
struct RefreshToken {
    used: Option<(Instant, usize, usize)>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Each user's grants, the newest last.
    users: Vec<Vec<Grant>>,
    /// Every access token: user, grant and end.
    access_tokens: BTreeMap<String, (usize, usize, Instant)>,
    issued: u64,
    /// Refresh tokens that a lagging replica did not know.
    denied: BTreeSet<String>,
    exchanges: Vec<Exchange>,
    /// How many requests of each user were said to leave. One whose sender was killed just then never did.
    marked: BTreeMap<usize, usize>,
}

/// The provider.
#[derive(Debug)]
pub(crate) struct Provider {
    world: Arc<World>,
    state: Mutex<State>,
}

/// An access token and its refresh token.
pub(crate) struct Issued {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

/// Status and body.
pub(crate) type Answer = (u16, String);

impl Provider {
    pub(crate) fn new(world: Arc<World>) -> Self {
        let users = (0..world.options.accounts).map(|_| Vec::new()).collect();
        let state = State {
            phase: Phase::Working,
            users,
            access_tokens: BTreeMap::new(),
            issued: 0,
            denied: BTreeSet::new(),
            exchanges: Vec::new(),
            marked: BTreeMap::new(),
        };
        Self { world, state: Mutex::new(state) }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.world.log(format_args!("provider: {phase:?}"));
        self.state.lock().unwrap().phase = phase;
    }

    /// The user consents anew.
    pub(crate) fn consent(&self, user: usize) -> Issued {
        let mut state = self.state.lock().unwrap();
        state.users[user].push(Grant { ended: None, tokens: vec![RefreshToken::default()] });
        let grant = state.users[user].len() - 1;
        self.world.log(format_args!("provider: user {user} consents to grant {grant}"));
        state.issue(user, grant, 0, self.world.options.life)
    }

    /// The user takes the newest consent back.
    pub(crate) fn revoke(&self, user: usize) {
        let mut state = self.state.lock().unwrap();
        if let Some(grant) = state.users[user].last_mut() {
            grant.ended.get_or_insert(End::User);
            self.world.log(format_args!("provider: user {user} revokes"));
        }
    }

    /// Whether the access token opens the API.
    pub(crate) fn admits(&self, access_token: &str) -> bool {
        let state = self.state.lock().unwrap();
        state
            .access_tokens
            .get(access_token)
            .is_some_and(|(user, grant, end)| *end > Instant::now() && state.users[*user][*grant].ended.is_none())
    }

    /// Whether the refresh token would bring another access token.
    pub(crate) fn accepts(&self, refresh_token: &str) -> bool {
        let state = self.state.lock().unwrap();
        parse(refresh_token).is_some_and(|(user, grant, token)| {
            let grant = &state.users[user][grant];
            grant.ended.is_none() && grant.tokens[token].used.is_none()
        })
    }

    /// A process sends a token request: its number.
    pub(crate) fn sent(&self, sender: &Arc<Process>, refresh_token: &str) -> usize {
        let (user, grant, token) = parse(refresh_token).expect("it was issued here");
        let mut state = self.state.lock().unwrap();
        let now = Instant::now();
        for other in state.exchanges.iter().filter(|other| other.user == user && !other.over) {
            let stood_still = sender.has_stopped_since(other.sent_at) || other.sender.has_stopped_since(other.sent_at);
            if !other.sender.is_killed() && !stood_still {
                self.world.violation(format_args!("{sender:?} asks for user {user}, as {:?} still does", other.sender));
            }
        }
        sender.spring_trap();
        let task = task::try_id();
        state.exchanges.push(Exchange {
            user,
            grant,
            sender: sender.clone(),
            task,
            sent_at: now,
            over: false,
            brought: None,
            refused: false,
            delivered: false,
            journaled: false,
        });
        let number = state.exchanges.len() - 1;
        self.world.log(format_args!("{sender:?} sends request {number} for user {user} with token {grant}.{token}"));
        number
    }

    /// The request arrives.
    pub(crate) fn answer(&self, number: usize, refresh_token: &str) -> Answer {
        let mut state = self.state.lock().unwrap();
        let phase = if self.world.is_calm() { Phase::Working } else { state.phase };
        let dice = &self.world.dice;
        let (status, body) = match phase {
            Phase::Throttling => (429, r#"{"error":"slow_down"}"#.to_owned()),
            Phase::RefusingApp => (401, r#"{"error":"invalid_client"}"#.to_owned()),
            Phase::Lagging if state.lies_about(refresh_token) => (400, INVALID_GRANT.to_owned()),
            Phase::Failing if dice.once_in(4) => {
                drop(self.carry_out(&mut state, number, refresh_token));
                (500, String::new())
            }
            Phase::Failing => (dice.pick(&[503, 503, 500]), String::new()),
            Phase::Working | Phase::Lagging => self.carry_out(&mut state, number, refresh_token),
        };
        state.exchanges[number].refused = body == INVALID_GRANT;
        let brought = state.exchanges[number].brought;
        self.world.log(format_args!("provider: request {number} is answered {status}, bringing {brought:?}"));
        (status, body)
    }

    fn carry_out(&self, state: &mut State, number: usize, refresh_token: &str) -> Answer {
        let (user, grant, token) = parse(refresh_token).expect("it was issued here");
        let (now, policy) = (Instant::now(), self.world.options.policy);
        let held = &state.users[user][grant];
        if held.ended.is_some() {
            return (400, INVALID_GRANT.to_owned());
        }
        let successor = match (held.tokens[token].used, policy) {
            (_, Policy::NoRotation) => token,
            (None, _) => held.tokens.len(),
            (Some((at, successor, first)), _) => {
                self.check_reuse(state, number, first);
                match policy {
                    Policy::GraceSame if now < at + GRACE => successor,
                    Policy::GraceNew if now < at + GRACE => state.users[user][grant].tokens.len(),
                    Policy::StrictAndRevoking => {
                        self.world.log(format_args!("provider: grant {grant} of user {user} ends for reuse"));
                        state.users[user][grant].ended = Some(End::Reuse);
                        return (400, INVALID_GRANT.to_owned());
                    }
                    _ => return (400, INVALID_GRANT.to_owned()),
                }
            }
        };
        let tokens = &mut state.users[user][grant].tokens;
        if successor == tokens.len() {
            // Only the newest is good.
            for older in tokens.iter_mut() {
                older.used.get_or_insert((now, successor, number));
            }
            tokens.push(RefreshToken::default());
        }
        state.exchanges[number].brought = Some(successor);
        let issued = state.issue(user, grant, successor, self.world.options.life);
        let Issued { access_token, refresh_token } = issued;
        let life = self.world.options.life.as_secs();
        let body = format!(
            r#"{{"access_token":"{access_token}","token_type":"bearer","expires_in":{life},"refresh_token":"{refresh_token}"}}"#
        );
        (200, body)
    }

    /// A token that was used is sent again: only if what it brought never got as far as a journal.
    fn check_reuse(&self, state: &State, number: usize, first: usize) {
        let (first, again) = (&state.exchanges[first], &state.exchanges[number]);
        let stood_still =
            again.sender.has_stopped_since(first.sent_at) || first.sender.has_stopped_since(first.sent_at);
        let lost = !first.delivered || first.sender.is_killed() && !first.journaled;
        if !lost && !stood_still {
            self.world.violation(format_args!("request {number} uses a token again whose successor had arrived"));
        }
    }

    /// The sender is told: of an answer that had its refresh token whole, or of a failure.
    pub(crate) fn over(&self, number: usize, delivered: bool) {
        let mut state = self.state.lock().unwrap();
        let exchange = &mut state.exchanges[number];
        (exchange.over, exchange.delivered) = (true, delivered);
        self.world.log(format_args!("{:?} ends request {number}, delivered: {delivered}", exchange.sender));
    }

    /// It stands in the store that a request of the user leaves.
    pub(crate) fn marked(&self, user: usize) {
        *self.state.lock().unwrap().marked.entry(user).or_default() += 1;
    }

    /// A task has an entry in its journal: the answer that it got last.
    pub(crate) fn journaled(&self, task: Option<task::Id>) {
        let mut state = self.state.lock().unwrap();
        let last = state.exchanges.iter_mut().rev().find(|exchange| exchange.task == task);
        if let Some(exchange) = last.filter(|exchange| exchange.over) {
            exchange.journaled = true;
        }
    }

    /// A task turns to the store: what it was answered must be in its journal by now.
    pub(crate) fn check_journaled(&self, task: Option<task::Id>) {
        let state = self.state.lock().unwrap();
        let last = state.exchanges.iter().enumerate().rev().find(|(_, exchange)| exchange.task == task);
        if let Some((number, _)) = last.filter(|(_, exchange)| exchange.delivered && !exchange.journaled) {
            self.world.violation(format_args!("the answer to request {number} is read before it is in the journal"));
        }
    }

    /// Whether an account of this user may have ended for this reason.
    pub(crate) fn justifies(&self, user: usize, reason: &str) -> bool {
        let state = self.state.lock().unwrap();
        let Some(refused) = state.exchanges.iter().rev().find(|one| one.user == user && one.refused) else {
            return false;
        };
        let ended = state.users[user][refused.grant].ended;
        let of_grant = |one: &&Exchange| (one.user, one.grant) == (user, refused.grant);
        match reason {
            "revoked" => ended.is_some(),
            "lost_rotation" => {
                let sent = state.exchanges.iter().filter(|one| one.user == user).count();
                let never_left = state.marked.get(&user).is_some_and(|marked| *marked > sent);
                never_left || state.exchanges.iter().filter(of_grant).any(|one| one.is_lost())
            }
            _ => false,
        }
    }
}

const INVALID_GRANT: &str = r#"{"error":"invalid_grant"}"#;

impl State {
    /// Once about each refresh token: by the time the question is asked again, the replica has caught up.
    fn lies_about(&mut self, refresh_token: &str) -> bool {
        self.denied.insert(refresh_token.to_owned())
    }

    fn issue(&mut self, user: usize, grant: usize, token: usize, life: Duration) -> Issued {
        self.issued += 1;
        let access_token = format!("at.{user}.{:08}", self.issued);
        self.access_tokens.insert(access_token.clone(), (user, grant, Instant::now() + life));
        Issued { access_token, refresh_token: format!("rt.{user}.{grant}.{token}") }
    }
}

/// A refresh token's user, grant and place among the grant's.
fn parse(refresh_token: &str) -> Option<(usize, usize, usize)> {
    let mut parts = refresh_token.strip_prefix("rt.")?.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?))
}
