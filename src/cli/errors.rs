//! Why a command failed, and what the shell is told.

use crate::config::ConfigError;
use serde::Deserialize;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It was called in a way that cannot work.
    #[error("{0}")]
    Usage(String),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody answers.
    #[error("{0}")]
    Unreachable(String),
    /// The server said no.
    #[error("{}", refusal(.message, .problems))]
    Refused {
        /// HTTP status.
        status: u16,
        /// One sentence.
        message: String,
        /// What is wrong with what was handed in.
        problems: Vec<ProblemJson>,
    },
    /// Something else did not work.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
    /// The job did not end with an image; everything was said already.
    #[error("job {job} is {state}")]
    NotDone {
        /// Which job.
        job: u64,
        /// How it ended.
        state: String,
    },
    /// Ctrl-C.
    #[error("{0}")]
    Interrupted(String),
}

/// A problem as the API tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ProblemJson {
    /// The form field.
    pub field: String,
    /// One sentence.
    pub message: String,
    /// Line of the definition, from 1.
    pub line: Option<u32>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// An error as the API tells it.
#[derive(Debug, Default, Deserialize)]
pub struct ErrorJson {
    /// What is inside.
    pub error: ErrorBody,
}

/// See [`ErrorJson`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// One sentence.
    pub message: String,
    /// What is wrong with what was handed in.
    pub problems: Vec<ProblemJson>,
}

fn refusal(message: &str, problems: &[ProblemJson]) -> String {
    if problems.is_empty() {
        return message.to_owned();
    }
    let lines = problems.iter().map(|problem| {
        let place = match problem.line {
            Some(line) => format!("{} line {line}", problem.field),
            None => problem.field.clone(),
        };
        let hint = problem.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{place}: {}{hint}", problem.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl CliError {
    /// A wrapped failure with what was tried.
    pub fn failed(what: impl std::fmt::Display, error: impl Into<anyhow::Error>) -> Self {
        Self::Failed(error.into().context(what.to_string()))
    }

    /// What the shell is told: 1 the thing failed, 2 wrong usage or configuration, 3 the server
    /// cannot be reached, 130 interrupted.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Refused { .. } | Self::Failed(_) | Self::NotDone { .. } => 1,
            Self::Interrupted(_) => 130,
        }
    }

    /// The same as an exit code.
    pub fn exit(&self) -> ExitCode {
        self.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_of_a_definition_is_a_line_with_its_place() {
        let problem = |line, hint: Option<&str>| ProblemJson {
            field: "definition".into(),
            message: "no such command".into(),
            line,
            hint: hint.map(str::to_owned),
        };
        let error = CliError::Refused {
            status: 422,
            message: "no such command; no such command".into(),
            problems: vec![problem(Some(3), None), problem(None, Some("leave it out"))],
        };
        assert_eq!(
            error.to_string(),
            "definition line 3: no such command\ndefinition: no such command (leave it out)"
        );
        assert_eq!(error.code(), 1);
    }
}
