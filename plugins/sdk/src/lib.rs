//! Everything a runner needs: the contract's types under friendly names, [`Runner`] to implement,
//! [`export_runner!`] to make it a component, and small helpers for requests, plans and diagnostics.
//!
//! A runner is pure: what it is given is all it knows. It compiles natively too, so that its
//! rules are tested with plain unit tests; only the export exists on WebAssembly alone.

pub mod bindings;
mod build;
mod guest;
mod log;
pub mod testing;
mod value;

pub use bindings::exports::img::runner::build as contract;
pub use bindings::img::runner::types::{
    Argument, Artifact, BuildPlan, Cause, ChoiceField, DefinitionKind, Diagnostic, Event,
    Explanation, Failure, Field, FieldKind, File, FileKind, ImageType, InputFile, Inspection,
    IntegerField, OutputFile, Paths, Privilege, Program, Progress, Repository, Request, Role,
    RunnerInfo, Severity, Step, TextField,
};
pub use build::{
    MOST_DIAGNOSTICS, arg, args, artifact, boolean_field, choice_field, error, error_at,
    explanation, failed, file, flag, info, integer_field, list, named_artifacts, option, program,
    progress, secret_arg, step, text_field, text_list_field, warning, warning_at,
};
pub use guest::{Adapter, ObserverCell};
pub use log::{Level, log};
pub use value::{
    human_size, is_package_name, is_word, line_number, parse_size, safe_path, safe_value,
};

/// One image tool. Every function answers for any input; a panic costs the caller its answer and
/// the runner its good name.
pub trait Runner: 'static {
    /// Reads the output of one job.
    type Observer: Observer;

    /// Who the runner is and what it can build. Asked once.
    fn describe() -> RunnerInfo;

    /// What a definition says of itself, before anything is submitted.
    fn inspect(definition: &[u8]) -> Inspection;

    /// Everything wrong with a request; no errors means it may be queued.
    fn check(request: &Request) -> Vec<Diagnostic>;

    /// The steps that carry out the request.
    ///
    /// # Errors
    /// What keeps the request from being planned; at least one diagnostic is an error.
    fn plan(request: &Request) -> Result<BuildPlan, Vec<Diagnostic>>;

    /// The reader of this job's output.
    fn observe(request: &Request) -> Self::Observer;

    /// Why it failed, from the exit and the last lines.
    fn explain(request: &Request, failure: &Failure) -> Option<Explanation>;

    /// Which files below the output directory are kept, and as what.
    ///
    /// # Errors
    /// A sentence for people when no file is the image.
    fn collect(request: &Request, files: &[OutputFile]) -> Result<Vec<Artifact>, String>;
}

/// Reads one job's output, line by line, keeping what it needs to remember.
pub trait Observer: 'static {
    /// What `line` (without its end) meant; pushes nothing when it meant nothing.
    fn line(&mut self, line: &str, events: &mut Vec<Event>);
}

/// Makes a type that implements [`Runner`] the component's export. Does nothing natively.
#[macro_export]
macro_rules! export_runner {
    ($runner:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs)]
        mod exported_runner {
            use super::*;
            type Exported = $crate::Adapter<$runner>;
            $crate::bindings::export!(Exported with_types_in $crate::bindings);
        }
    };
}

/// The walk in `plugins/README.md` compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct ReadmeWalk;
