//! The refresh journal: token responses, durable before they are parsed.
