//! egress target
