//! Refresh: one token request per account at a time, and none that loses a token.
