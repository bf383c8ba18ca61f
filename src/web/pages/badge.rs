//! Status badges.
