//! catalogue load
