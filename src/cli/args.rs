//! The words of the command line.

use crate::domain::JobId;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// `img`.
#[derive(Debug, Parser)]
#[command(
    name = "img",
    version,
    about = "Builds operating system images: hand in a definition, watch the build, take the image",
    after_help = "Exit codes: 0 well, 1 it failed, 2 wrong usage or configuration, \
                  3 the server cannot be reached, 130 interrupted.",
    arg_required_else_help = true,
    subcommand_required = true
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Talk to this server instead of the one on this box
    #[arg(long, global = true, env = "IMG_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// The local server's socket [default: the one in the configuration]
    #[arg(long, global = true, env = "IMG_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// File with an API token (or put the token into IMG_TOKEN)
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Trust the certificates in this PEM file, and no others
    #[arg(long, global = true, env = "IMG_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Configuration of the server on this box [default: /etc/img/config.toml if it exists]
    #[arg(long, global = true, env = "IMG_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service: pages, API, queue and builds
    Serve,
    /// Carry out builds for the service, as a process of its own
    Builder,
    /// Hand in a definition
    Submit(Submit),
    /// List jobs, newest first
    Jobs(Jobs),
    /// Show one job
    Job(Number),
    /// Print the log of a job
    Log(Log),
    /// Stop a job
    Cancel(Number),
    /// Release a recorded job on a queue that does not start jobs by itself
    Launch(Number),
    /// Hand the request of an ended job in again, as a new job
    Retry(Number),
    /// Fetch the image, or another file, of a job
    Download(Download),
    /// Keep a job's files until it is unpinned: no rule takes them
    Pin(Number),
    /// Let the rules have a job's files again
    Unpin(Number),
    /// Keep a job's files longer than their rule says
    Keep(Keep),
    /// Delete a job's files: image, log and definition; its record stays
    Delete(Number),
    /// Delete what the rules no longer keep, now, and print the receipt
    Cleanup(Cleanup),
    /// Manage users
    #[command(subcommand)]
    User(User),
    /// Say whether the configuration is good
    CheckConfig,
    /// Write the store (jobs, users, queues; not the images) to a file
    Backup(Backup),
    /// Fill the store from a backup; the server must be stopped
    Restore(Restore),
    /// Check the store; the server must be stopped
    Fsck(Fsck),
    /// Look at the audit trail; the server must be stopped
    #[command(subcommand)]
    Audit(Audit),
    /// Manage runners
    #[command(subcommand)]
    Plugin(Plugin),
    /// Set IMG up on this box: program, units, user, folders, configuration
    Install(Install),
    /// Take away what `install` set up; data and configuration stay
    Uninstall(Uninstall),
    /// Show the version of this program and of the server
    Version,
    /// Print the completions of a shell
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// `img submit`
#[derive(Debug, Args)]
pub struct Submit {
    /// The definition (a kickstart file, …); `-` reads it from standard input
    pub file: PathBuf,
    /// Image type
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    pub image_type: String,
    /// Architecture
    #[arg(long, short = 'a')]
    pub arch: String,
    /// What the image is called [default: the file's name without its extension]
    #[arg(long, short = 'n')]
    pub name: Option<String>,
    /// Runner [default: the one that takes such files]
    #[arg(long, short = 'r')]
    pub runner: Option<String>,
    /// Queue
    #[arg(long, short = 'q', default_value = "api")]
    pub queue: String,
    /// A field of the runner, such as `--option compression=xz`; can be repeated
    #[arg(long = "option", short = 'o', value_name = "FIELD=VALUE", value_parser = option)]
    pub options: Vec<(String, String)>,
    /// A further package: `name`, `-name` or `@group`; can be repeated
    #[arg(long = "package", short = 'p', value_name = "PACKAGE", allow_hyphen_values = true)]
    pub packages: Vec<String>,
    /// Number of a finished job whose files are the input
    #[arg(long, value_name = "NUMBER")]
    pub input_job: Option<JobId>,
    /// Only say whether it would be taken, and what would be run
    #[arg(long, conflicts_with = "watch")]
    pub check: bool,
    /// Print the log until the job ends; succeed only if there is an image
    #[arg(long, short = 'w')]
    pub watch: bool,
}

fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, value)) if !field.is_empty() => Ok((field.to_owned(), value.to_owned())),
        _ => Err("write it as FIELD=VALUE".to_owned()),
    }
}

/// `img jobs`
#[derive(Debug, Args)]
pub struct Jobs {
    /// Only jobs in this state
    #[arg(long, value_parser = ["queued", "building", "done", "failed", "cancelled"])]
    pub state: Option<String>,
    /// Only one's own jobs
    #[arg(long, conflicts_with = "owner")]
    pub mine: bool,
    /// Only jobs of this user
    #[arg(long)]
    pub owner: Option<String>,
    /// Only jobs on this queue
    #[arg(long)]
    pub queue: Option<String>,
    /// Only jobs of this image type
    #[arg(long = "type")]
    pub image_type: Option<String>,
    /// Only jobs for this architecture
    #[arg(long)]
    pub arch: Option<String>,
    /// Only jobs whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Only jobs older than this one
    #[arg(long, value_name = "NUMBER")]
    pub before: Option<JobId>,
    /// How many
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub limit: u16,
}

/// A command on one job.
#[derive(Debug, Args)]
pub struct Number {
    /// The job's number
    #[arg(value_name = "NUMBER")]
    pub job: JobId,
}

/// `img keep`
#[derive(Debug, Args)]
pub struct Keep {
    /// The job's number
    #[arg(value_name = "NUMBER")]
    pub job: JobId,
    /// The last day, such as 2026-12-07 (UTC)
    #[arg(long, value_name = "DATE", required_unless_present = "days", conflicts_with = "days")]
    pub until: Option<String>,
    /// So many days from now
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub days: Option<u32>,
}

/// `img cleanup`
#[derive(Debug, Args)]
pub struct Cleanup {
    /// Only print what would be deleted, and what is kept why
    #[arg(long)]
    pub dry_run: bool,
}

/// `img log`
#[derive(Debug, Args)]
pub struct Log {
    /// The job's number
    #[arg(value_name = "NUMBER")]
    pub job: JobId,
    /// Go on until the job ends
    #[arg(long, short = 'f')]
    pub follow: bool,
}

/// `img download`
#[derive(Debug, Args)]
pub struct Download {
    /// The job's number
    #[arg(value_name = "NUMBER")]
    pub job: JobId,
    /// Which file [default: the image]
    pub name: Option<String>,
    /// Where to put it: a file, or a directory that exists [default: this directory]
    #[arg(long, short = 'o', value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Go on where an interrupted download stopped
    #[arg(long)]
    pub resume: bool,
    /// Replace a file that is there and is different
    #[arg(long)]
    pub force: bool,
}

/// `img user`
#[derive(Debug, Subcommand)]
pub enum User {
    /// Set a user's password, asked for on the terminal or read as one line from a pipe
    Passwd {
        /// The user's name
        name: String,
    },
}

/// `img backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// Where to write it; must not exist
    pub file: PathBuf,
}

/// `img restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    pub file: PathBuf,
    /// Put the present store aside and take the backup in its place
    #[arg(long)]
    pub replace: bool,
}

/// `img fsck`
#[derive(Debug, Args)]
pub struct Fsck {
    /// Rebuild indexes and counters, put damaged records aside
    #[arg(long)]
    pub repair: bool,
}

/// `img audit`
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Say whether a line was changed, taken out or put in since the oldest one was written
    Verify,
}

/// `img plugin`
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// List the runners of the server
    List,
    /// Load a runner from a file and say what it declares
    Check(PluginCheck),
}

/// `img plugin check`
#[derive(Debug, Args)]
pub struct PluginCheck {
    /// The component (`.wasm`)
    pub file: PathBuf,
    /// Also plan this definition; nothing is run
    #[arg(long, short = 'd', value_name = "FILE", requires = "image_type", requires = "arch")]
    pub definition: Option<PathBuf>,
    /// Image type of the plan
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    pub image_type: Option<String>,
    /// Architecture of the plan
    #[arg(long, short = 'a')]
    pub arch: Option<String>,
}

/// `img install`
#[derive(Debug, Args)]
pub struct Install {
    /// Only print what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// For packages: this folder instead of `/`; sets no owner, starts nothing, needs no root
    #[arg(long, value_name = "DIR")]
    pub prefix: Option<PathBuf>,
}

/// `img uninstall`
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Only print what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Also delete the configuration and all data: jobs, images, logs, users
    #[arg(long)]
    pub purge: bool,
    /// Do not ask before --purge deletes
    #[arg(long, requires = "purge")]
    pub yes: bool,
    /// As it was given to `install`
    #[arg(long, value_name = "DIR")]
    pub prefix: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_token_can_be_given_where_others_see_it() {
        let long = Cli::command().render_long_help().to_string();
        assert!(!long.contains("--token "), "{long}");
        assert!(Cli::try_parse_from(["img", "--token", "x", "version"]).is_err());
    }

    #[test]
    fn options_and_packages_are_taken_as_written() {
        let line = "img submit a.ks -t raw -a x86_64 -o a=b=c --option d= -p -vim -p @core";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Submit(submit) = cli.command else { panic!("{:?}", cli.command) };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(submit.options, [pair("a", "b=c"), pair("d", "")]);
        assert_eq!(submit.packages, ["-vim", "@core"]);
        assert_eq!(submit.queue, "api");
    }

    #[test]
    fn what_cannot_be_is_refused_before_anything_is_asked() {
        for line in [
            "img jobs --state broken",
            "img jobs --limit 0",
            "img job 0",
            "img job x",
            "img submit a.ks -t raw",
            "img submit a.ks -t raw -a x86_64 -o novalue",
            "img submit a.ks -t raw -a x86_64 --check --watch",
            "img plugin check a.wasm -d b.ks",
            "img keep 7",
            "img keep 7 --days 0",
            "img keep 7 --days 3 --until 2026-12-07",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
