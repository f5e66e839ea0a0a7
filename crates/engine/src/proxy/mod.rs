//! Authenticated requests to a provider's API.
