//! From the words of the command line to what is done, and to an exit code.

use super::{
    CliError,
    args::{Audit, Cli, Command, Global, Plugin, User},
    audit, backup, cleanup, download, install, jobs, keep, log, plugins, show, submit, terminal,
    user,
};
use crate::{config::Config, web::api::types::VersionJson};
use clap::{CommandFactory as _, Parser as _};
use std::{ffi::OsString, future::Future, path::PathBuf, process::ExitCode};

/// Runs the command line `args`; `serve` runs the service, `build` a builder that listens on the
/// socket of the command line, if it names one.
pub fn main(
    args: impl IntoIterator<Item = OsString>,
    serve: impl FnOnce(Config) -> anyhow::Result<()>,
    build: impl FnOnce(Config, Option<PathBuf>) -> anyhow::Result<()>,
) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are such errors too; nobody is left to tell when this fails.
            let _ = error.print();
            return if error.use_stderr() { 2.into() } else { ExitCode::SUCCESS };
        }
    };
    match run(cli, serve, build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = error.to_string();
            if !text.is_empty() {
                terminal::note(&format!("img: {text}"));
            }
            error.exit()
        }
    }
}

fn run(
    cli: Cli,
    serve: impl FnOnce(Config) -> anyhow::Result<()>,
    build: impl FnOnce(Config, Option<PathBuf>) -> anyhow::Result<()>,
) -> Result<(), CliError> {
    let global = &cli.global;
    match cli.command {
        Command::Serve => serve(global.load_config()?).map_err(CliError::Failed),
        Command::Builder => {
            build(global.load_config()?, builder_socket(global)).map_err(CliError::Failed)
        }
        Command::Submit(args) => block_on(submit::run(global, args)),
        Command::Jobs(args) => block_on(jobs::list(global, &args)),
        Command::Job(args) => block_on(jobs::one(global, &args)),
        Command::Log(args) => block_on(log::run(global, &args)),
        Command::Cancel(args) => block_on(jobs::cancel(global, &args)),
        Command::Launch(args) => block_on(jobs::launch(global, &args)),
        Command::Retry(args) => block_on(jobs::retry(global, &args)),
        Command::Download(args) => block_on(download::run(global, args)),
        Command::Pin(args) => block_on(keep::pin(global, &args, true)),
        Command::Unpin(args) => block_on(keep::pin(global, &args, false)),
        Command::Keep(args) => block_on(keep::keep(global, args)),
        Command::Delete(args) => block_on(keep::delete(global, &args)),
        Command::Cleanup(args) => block_on(cleanup::run(global, &args)),
        Command::User(User::Passwd { name }) => user::passwd(global, &name),
        Command::CheckConfig => check_config(global),
        Command::Backup(args) => backup::backup(global, &args),
        Command::Restore(args) => backup::restore(global, &args),
        Command::Fsck(args) => backup::fsck(global, &args),
        Command::Audit(Audit::Verify) => audit::verify(global),
        Command::Plugin(Plugin::List) => block_on(plugins::list(global)),
        Command::Plugin(Plugin::Check(args)) => plugins::check(global, &args),
        Command::Install(args) => install::install(&args),
        Command::Uninstall(args) => install::uninstall(&args),
        Command::Version => block_on(version(global)),
        Command::Completions { shell } => completions(shell),
    }
}

/// `--socket` of the command line. The variable of the same option names the server's socket.
fn builder_socket(global: &Global) -> Option<PathBuf> {
    let servers = std::env::var_os("IMG_SOCKET").map(PathBuf::from);
    global.socket.clone().filter(|socket| Some(socket) != servers.as_ref())
}

/// Runs a client's work on this thread.
pub fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| CliError::failed("cannot start", e))?.block_on(work)
}

fn check_config(global: &Global) -> Result<(), CliError> {
    let config = global.load_config()?;
    let file = global.config_file();
    let shown =
        file.map_or_else(|| "the built-in defaults".to_owned(), |f| f.display().to_string());
    let verb = if global.config_file().is_some() { "is" } else { "are" };
    if global.json {
        return show::json(&serde_json::json!({
            "file": global.config_file(),
            "data_dir": config.server.data_dir,
            "socket": config.socket(),
            "builder": Some(&config.builder.socket).filter(|path| !path.as_os_str().is_empty()),
        }));
    }
    terminal::print(format!("{shown} {verb} good\n").as_bytes())
}

async fn version(global: &Global) -> Result<(), CliError> {
    let client = global.client()?;
    let own = env!("CARGO_PKG_VERSION");
    let server = client.get::<VersionJson>("/api/v1/version").await;
    if global.json {
        let server = server.as_ref().ok().map(|v| v.version.clone());
        show::json(&serde_json::json!({ "version": own, "server": server }))?;
    } else {
        terminal::print(format!("img {own}\n").as_bytes())?;
    }
    match server {
        Ok(server) if !global.json => {
            let text = format!("server {} at {}\n", show::clean(&server.version), client.target());
            terminal::print(text.as_bytes())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<(), CliError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "img", &mut text);
    terminal::print(&text)
}
