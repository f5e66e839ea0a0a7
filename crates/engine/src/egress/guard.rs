//! egress guard
