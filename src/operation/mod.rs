//! operation (under construction)
