//! catalogue lint
