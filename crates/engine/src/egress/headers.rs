//! egress headers
