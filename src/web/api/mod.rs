//! The HTTP API for programs, `/api/v1`: JSON in and out, a bearer token or the local socket.

mod box_routes;
mod cleanup_routes;
mod convert;
mod job_routes;
mod keep_routes;
mod list;
mod new_job;
mod retention_types;
pub mod types;

use super::Screens;
use crate::{app::App, web::download};

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
        .on("api.submit", job_routes::submit)
        .on("api.check", job_routes::check)
        .on("api.jobs", job_routes::jobs)
        .on("api.job", job_routes::job)
        .on("api.log", download::log)
        .on("api.files", job_routes::files)
        .on("api.file", download::file)
        .on("api.image", download::image)
        .on("api.cancel", job_routes::cancel)
        .on("api.launch", job_routes::launch)
        .on("api.retry", job_routes::retry)
        .on("api.pin", keep_routes::pin)
        .on("api.unpin", keep_routes::unpin)
        .on("api.keep", keep_routes::keep)
        .on("api.delete", keep_routes::delete)
        .on("api.cleanup", cleanup_routes::start)
        .on("api.cleanup.preview", cleanup_routes::preview)
        .on("api.cleanup.runs", cleanup_routes::runs)
        .on("api.cleanup.run", cleanup_routes::run)
        .on("api.choices", box_routes::choices)
        .on("api.plugins", box_routes::plugins)
        .on("api.version", box_routes::version)
        .on("api.health", box_routes::health)
        .on("api.password", box_routes::password)
        .on("api.backup", box_routes::backup)
}
