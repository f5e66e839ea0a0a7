//! The provider: what it does with a refresh token, by its policy.

/// A refresh token, named by its place in the order in which the provider issued them.
pub(crate) type Token = u8;

/// What a provider does with refresh tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Policy {
    /// Each is good once; whoever sends one again ends the grant (RFC 9700 §4.14.2).
    Revoking,
    /// Each is good once; one that is sent again is refused, and the grant goes on.
    Strict,
    /// For a while the one before is answered with the same successor once more; any older one ends the grant.
    GraceSame,
    /// For a while the one before is answered with another successor, and the first ends; any older one ends the grant.
    GraceNew,
    /// The one token stays.
    Constant,
}

impl Policy {
    /// Whether a token that was sent twice may end the grant, at any time: what a profile says of the provider.
    pub(crate) fn revokes_at_once(self) -> bool {
        self == Self::Revoking
    }

    fn has_grace(self) -> bool {
        matches!(self, Self::GraceSame | Self::GraceNew)
    }
}

/// Whether the grant still stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Grant {
    Alive,
    /// The person took it back.
    RevokedByUser,
    /// A token came that it had replaced, which it takes for theft: that was us.
    RevokedByReuse,
}

/// What the provider says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// Tokens, of which this is the one to refresh with.
    Tokens(Token),
    /// `invalid_grant`.
    Refused,
}

/// What the provider remembers of the grant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Provider {
    pub(crate) grant: Grant,
    /// The token that it issued last.
    pub(crate) current: Token,
    /// The one that it also takes, while the grace lasts.
    pub(crate) previous: Option<Token>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        Self { grant: Grant::Alive, current: 0, previous: None }
    }

    /// Whether the token would be good for a refresh.
    pub(crate) fn accepts(&self, token: Token) -> bool {
        self.grant == Grant::Alive && (token == self.current || self.previous == Some(token))
    }

    /// Takes one request.
    pub(crate) fn process(&mut self, policy: Policy, token: Token) -> Answer {
        if self.grant != Grant::Alive {
            return Answer::Refused;
        }
        if !self.accepts(token) {
            if policy != Policy::Strict {
                self.grant = Grant::RevokedByReuse;
            }
            return Answer::Refused;
        }
        let again = self.previous == Some(token);
        match policy {
            Policy::Constant => {}
            Policy::GraceSame if again => {}
            Policy::GraceNew if again => self.current += 1,
            Policy::Revoking | Policy::Strict | Policy::GraceSame | Policy::GraceNew => {
                self.previous = policy.has_grace().then_some(token);
                self.current += 1;
            }
        }
        Answer::Tokens(self.current)
    }
}
