//! A runner's own fields.
