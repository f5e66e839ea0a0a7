//! lint
use super::{
    document::{Fault, Node},
    schema::Connector,
};
#[derive(Debug)]
pub struct Finding {
    pub rule: Rule,
    pub problem: String,
}
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.problem)
    }
}
impl Finding {
    pub(super) fn malformed(_: &str, f: Fault) -> Self {
        Self { rule: Rule::Malformed, problem: f.to_string() }
    }
}
#[derive(Debug)]
pub enum Rule {
    Malformed,
}
impl Rule {
    pub fn is_binding(&self) -> bool {
        true
    }
}
pub(super) fn check(_: &Connector, _: &Node) -> Vec<Finding> {
    vec![]
}
pub(super) fn lint(_: &str, _: &Node) -> Vec<Finding> {
    vec![]
}
