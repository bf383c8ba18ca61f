//! The command line's first decision: a process of its own inside a build's sandbox, or a person's
//! command.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == img::builder::SHIM_ARGUMENT) {
        return img::builder::shim_main();
    }
    ExitCode::SUCCESS
}
