//! `img builder`: the builder as a process of its own.

use super::{Signals, builder_config, catalog_config, keep_watchdog, start_log, tell_systemd};
use crate::{
    builder::{Builder, Service, Socket},
    config::Config,
    files::DataDir,
    plugin::Catalog,
};
use anyhow::Context as _;
use std::{path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// Where groups are listed.
const GROUPS: &str = "/etc/group";

/// Carries out builds until SIGTERM or SIGINT, for the server that connects to the socket: the one
/// systemd hands over, else `socket`, else the configuration's.
///
/// # Errors
/// Says what kept it from starting, with the way out.
pub fn run_builder(config: Config, socket: Option<PathBuf>) -> anyhow::Result<()> {
    start_log(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("img-builder")
        .build()
        .context("no threads can be had for the builder")?;
    runtime.block_on(async {
        let signals = Signals::listen()?;
        let opening = tokio::task::spawn_blocking({
            let config = config.clone();
            move || open(&config, socket)
        });
        let (service, shown, catalog) = opening.await??;
        // A runner that is dropped in is there for the next order.
        let plugins = catalog.watch(|| {});
        let _plugins = plugins.inspect_err(|e| tracing::warn!("{e}")).ok();
        let (stop, stopped) = watch::channel(false);
        let grace = config.server.stop_grace.get();
        let working = tokio::spawn(service.run(stopped, grace));
        tracing::info!(socket = shown, "ready to build");
        tell_systemd(&[sd_notify::NotifyState::Ready]);
        let watchdog = tokio::spawn(keep_watchdog());
        signals.received().await;
        tracing::info!("stopping: no new builds start");
        tell_systemd(&[sd_notify::NotifyState::Stopping]);
        // Nobody listening any more is as good as told.
        let _ = stop.send(true);
        working.await.context("the builder broke while stopping")??;
        watchdog.abort();
        tracing::info!("stopped");
        Ok(())
    })
}

fn open(
    config: &Config,
    socket: Option<PathBuf>,
) -> anyhow::Result<(Service, String, Arc<Catalog>)> {
    let data = Arc::new(DataDir::open_for_builds(&config.server.data_dir)?);
    let mut catalog_config = catalog_config(config);
    if data.is_foreign() {
        // Compiled runners are trusted: they lie where only this user can write.
        catalog_config.cache_dir = config.server.data_dir.join("cwasm-builder");
    }
    let catalog = Arc::new(Catalog::open(catalog_config)?);
    let builder = Builder::new(Arc::clone(&data), Arc::clone(&catalog), builder_config(config)?);
    let socket = listen(config, socket, &data)?;
    let shown = socket.shown();
    Ok((Service::new(builder, data, socket)?, shown, catalog))
}

fn listen(config: &Config, named: Option<PathBuf>, data: &DataDir) -> anyhow::Result<Socket> {
    if let Some(socket) = Socket::activated()? {
        return Ok(socket);
    }
    let configured =
        Some(&config.builder.socket).filter(|path| !path.as_os_str().is_empty()).cloned();
    let path = named.or(configured).context(
        "no socket is named: set builder.socket in the configuration, or give --socket PATH",
    )?;
    Socket::bind(&path, group(&config.builder.group)?, data)
}

/// The number of a group that is named or numbered; `None` for an empty text. Names are read from
/// the file: the program is static and asks no name service.
fn group(text: &str) -> anyhow::Result<Option<u32>> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = text.parse() {
        return Ok(Some(number));
    }
    let groups =
        std::fs::read_to_string(GROUPS).with_context(|| format!("cannot read {GROUPS}"))?;
    numbered(&groups, text)
        .map(Some)
        .with_context(|| format!("builder.group is `{text}`, and {GROUPS} has no such group"))
}

fn numbered(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        found.then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_or_number() {
        let groups = "root:x:0:\nimg:x:998:ann,bo\n";
        assert_eq!(numbered(groups, "img"), Some(998));
        assert_eq!(numbered(groups, "im"), None);
        assert_eq!(group("").unwrap(), None);
        assert_eq!(group("12").unwrap(), Some(12));
        let said = group("no such group").unwrap_err().to_string();
        assert!(said.contains("builder.group"), "{said}");
    }
}
