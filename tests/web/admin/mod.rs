//! The Admin tab as people use it without a script: forms are read from the pages, filled in and
//! sent as a browser would send them.

mod fill;
mod groups;
mod queues;
mod setup;
mod users;
