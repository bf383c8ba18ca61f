//! The program: a build's own process, the service, or a command for it.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A build step starts this same program to confine itself: before any thread exists.
    if std::env::args_os().nth(1).is_some_and(|word| word == img::builder::SHIM_ARGUMENT) {
        return img::builder::shim_main();
    }
    img::cli::main(std::env::args_os(), img::server::run, img::server::run_builder)
}
