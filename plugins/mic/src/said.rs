//! From the reader's diagnostics to the contract's.

use img_runner_sdk::{Diagnostic, Severity};

/// One diagnostic.
pub(crate) fn diagnostic(one: &kickstart::Diagnostic) -> Diagnostic {
    let severity = match one.severity {
        kickstart::Severity::Error => Severity::Error,
        kickstart::Severity::Warning => Severity::Warning,
        kickstart::Severity::Info => Severity::Info,
    };
    Diagnostic { severity, message: one.message.clone(), line: one.line, hint: one.hint.clone() }
}

/// All diagnostics of a definition.
pub(crate) fn diagnostics(kickstart: &kickstart::Kickstart<'_>) -> Vec<Diagnostic> {
    kickstart.diagnostics.iter().map(diagnostic).collect()
}
