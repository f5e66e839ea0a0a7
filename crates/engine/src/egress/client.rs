//! egress client
