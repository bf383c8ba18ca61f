//! How the box is.
