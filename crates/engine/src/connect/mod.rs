//! Authorization, from a link to a sealed credential.
