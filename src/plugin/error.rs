//! What goes wrong with runners, in words that name the runner.

/// Why a runner gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// It trapped, ran out of time or memory, or answered what it may not.
    #[error("runner \"{runner}\"{}: {reason}", after_blank(version))]
    Runner {
        /// Its id, or the file's name before it is known.
        runner: String,
        /// Its version; empty before it is known.
        version: String,
        /// What happened.
        reason: String,
    },
    /// The host itself could not work.
    #[error("the plugin host cannot {what}: {reason}")]
    Host {
        /// What was tried.
        what: &'static str,
        /// Why not.
        reason: String,
    },
}

impl PluginError {
    /// Only the reason, for places that name the runner already.
    pub fn reason(&self) -> &str {
        match self {
            Self::Runner { reason, .. } | Self::Host { reason, .. } => reason,
        }
    }
}

fn after_blank(version: &str) -> String {
    if version.is_empty() { String::new() } else { format!(" {version}") }
}

/// There is no usable runner of this name.
#[derive(Debug, Clone, thiserror::Error)]
#[error("runner `{id}` {reason}")]
pub struct Unavailable {
    /// What was asked for.
    pub id: String,
    /// "is not known", "is disabled: …", "waits for a grant: …".
    pub reason: String,
}
