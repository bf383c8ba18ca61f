//! `img log`, and following a log for `img submit --watch`.

use super::{CliError, args, args::Global, client::Client, terminal};
use crate::domain::JobId;
use reqwest::Method;
use std::time::Duration;

/// How often a broken connection is made again before giving up.
const TRIES: u32 = 30;
/// How long it waits before each try.
const PAUSE: Duration = Duration::from_secs(1);

/// `img log`
pub async fn run(global: &Global, args: &args::Log) -> Result<(), CliError> {
    let client = global.client()?;
    let follow = follow(&client, args.job, args.follow, terminal::print);
    tokio::select! {
        done = follow => done,
        _ = tokio::signal::ctrl_c() => Err(CliError::Interrupted(String::new())),
    }
}

/// Hands the log to `sink`, until it ends if `live`. A connection that breaks is made again at
/// the byte where it broke.
pub async fn follow(
    client: &Client,
    id: JobId,
    live: bool,
    mut sink: impl FnMut(&[u8]) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let (mut offset, mut tries, mut connected) = (0, 0, false);
    loop {
        let before = offset;
        match piece(client, id, live, &mut offset, &mut connected, &mut sink).await {
            Ok(()) => return Ok(()),
            Err(Stopped::Broken(error)) => {
                tries = if offset > before { 1 } else { tries + 1 };
                if !live || !connected || tries > TRIES {
                    return Err(error);
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(Stopped::Final(error)) => return Err(error),
        }
    }
}

/// Why a log did not come to its end.
enum Stopped {
    /// The connection broke: trying again may help.
    Broken(CliError),
    /// Nothing will help.
    Final(CliError),
}

async fn piece(
    client: &Client,
    id: JobId,
    live: bool,
    offset: &mut u64,
    connected: &mut bool,
    sink: &mut impl FnMut(&[u8]) -> Result<(), CliError>,
) -> Result<(), Stopped> {
    let follow = if live { "&follow=1" } else { "" };
    let path = format!("/api/v1/jobs/{id}/log?from={offset}{follow}");
    let sent = client.send(client.request(Method::GET, &path)).await;
    let mut response = sent.map_err(|error| match error {
        CliError::Unreachable(_) => Stopped::Broken(error),
        other => Stopped::Final(other),
    })?;
    *connected = true;
    // A server that stops, or dies, breaks the connection off; a log that ends ends it well.
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => {
                sink(&bytes).map_err(Stopped::Final)?;
                *offset += bytes.len() as u64;
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(Stopped::Broken(client.broke(error))),
        }
    }
}
