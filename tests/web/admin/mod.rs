//! The Admin tab as people use it without a script: forms are read from the pages, filled in and
//! sent as a browser would send them.

pub mod fill;
mod forms;
mod groups;
mod jobs;
mod kinds;
mod lists;
mod queues;
mod rules;
mod secrecy;
mod settings;
mod setup;
mod sites;
mod trail;
mod users;
