//! `img backup`, `restore`, `fsck`.

use super::{CliError, args, args::Global, direct, direct::Data, show, terminal};
use reqwest::Method;
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek as _, Write as _},
    path::{Path, PathBuf},
};

/// `img backup`: through the server if it runs, else from the store itself.
pub fn backup(global: &Global, args: &args::Backup) -> Result<(), CliError> {
    let mut out = create(&args.file)?;
    let written = match super::run::block_on(fetch(global, &mut out)) {
        Err(CliError::Unreachable(reason)) if global.server.is_none() => {
            // Opened before root becomes the owner of the data.
            from_store(global, &mut out).map_err(|error| match error {
                CliError::Failed(_) => CliError::Unreachable(format!("{reason} ({error})")),
                other => other,
            })
        }
        other => other,
    };
    let kept = written.and_then(|()| {
        out.sync_all().map_err(|e| CliError::failed("the backup did not reach the disk", e))?;
        verify(&mut out)
    });
    if let Err(error) = kept {
        discard(&args.file);
        return Err(error);
    }
    terminal::note(&format!("the backup is in {}", args.file.display()));
    Ok(())
}

fn create(path: &Path) -> Result<File, CliError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Password hashes are in it.
    File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| CliError::failed(format!("cannot make the backup {}", path.display()), e))
}

/// An export ends with the SHA-256 of all before it. One that a server broke off does not.
fn verify(file: &mut File) -> Result<(), CliError> {
    let wrong = |e| CliError::failed("cannot read the backup again", e);
    let len = file.metadata().map_err(wrong)?.len();
    let (mut hash, mut sum) = (Sha256::new(), [0; 32]);
    file.rewind().map_err(wrong)?;
    let mut body = BufReader::new(&mut *file).take(len.saturating_sub(32));
    io::copy(&mut body, &mut HashWriter(&mut hash)).map_err(wrong)?;
    let whole = body.into_inner().read_exact(&mut sum).is_ok();
    if whole && hash.finalize().as_slice() == sum {
        return Ok(());
    }
    Err(CliError::Failed(anyhow::anyhow!(
        "the backup was cut before its end: see the server's log, and take it again"
    )))
}

/// Hashes what is written to it.
struct HashWriter<'h>(&'h mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the file this command made itself a moment ago")]
fn discard(path: &Path) {
    // It stays behind when this fails, which the error that is reported explains.
    let _ = std::fs::remove_file(path);
}

async fn fetch(global: &Global, out: &mut File) -> Result<(), CliError> {
    let client = global.client()?;
    let mut response = client.send(client.request(Method::GET, "/api/v1/backup")).await?;
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => {
                out.write_all(&bytes)
                    .map_err(|e| CliError::failed("cannot write the backup", e))?;
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(client.broke(error)),
        }
    }
}

fn from_store(global: &Global, out: &mut File) -> Result<(), CliError> {
    let (store, _lock) = Data::of(global)?.open()?;
    let mut out = BufWriter::new(out);
    store.export(&mut out).map_err(|e| CliError::Failed(e.into()))?;
    out.flush().map_err(|e| CliError::failed("cannot write the backup", e))
}

/// `img restore`
pub fn restore(global: &Global, args: &args::Restore) -> Result<(), CliError> {
    let file = File::open(&args.file)
        .map_err(|e| CliError::Usage(format!("cannot read {}: {e}", args.file.display())))?;
    let data = Data::of(global)?;
    let _lock = data.lock()?;
    let present = data.store_dir();
    if present.is_dir() && !args.replace {
        let store = direct::open(&present)?;
        let records = import(&store, file).map_err(|error| match error {
            CliError::Failed(error) => {
                CliError::Failed(anyhow::anyhow!("{error:#}, or let --replace do that"))
            }
            other => other,
        })?;
        terminal::note(&format!("{records} records are restored"));
        return Ok(());
    }
    // The present store is not touched before the backup was read to its end.
    let fresh = free_name(&present, "new")?;
    let records = import(&direct::open(&fresh)?, file)?;
    let old = swap(&present, &fresh)?;
    terminal::note(&format!("{records} records are restored"));
    if let Some(old) = old {
        terminal::note(&format!("the store that was there is in {}", old.display()));
    }
    Ok(())
}

fn import(store: &crate::store::Store, file: File) -> Result<u64, CliError> {
    let records =
        store.import(&mut BufReader::new(file)).and_then(|records| store.close().map(|()| records));
    records.map_err(|e| CliError::Failed(e.into()))
}

/// `db.new-1`, or the next number that is free.
fn free_name(present: &Path, word: &str) -> Result<PathBuf, CliError> {
    let name = present.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = (1..1_000).map(|n| present.with_file_name(format!("{name}.{word}-{n}")));
    let mut free = names.filter(|path| matches!(path.try_exists(), Ok(false)));
    free.next().ok_or_else(|| {
        CliError::Failed(anyhow::anyhow!(
            "too many old stores lie beside {}: move some away",
            present.display()
        ))
    })
}

/// Puts `fresh` where `present` is; says where that one went.
fn swap(present: &Path, fresh: &Path) -> Result<Option<PathBuf>, CliError> {
    let rename = |from: &Path, to: &Path| {
        std::fs::rename(from, to).map_err(|e: io::Error| {
            CliError::failed(format!("cannot move {} to {}", from.display(), to.display()), e)
        })
    };
    let mut old = None;
    if present.exists() {
        let aside = free_name(present, "old")?;
        rename(present, &aside)?;
        old = Some(aside);
    }
    rename(fresh, present)?;
    Ok(old)
}

/// `img fsck`
pub fn fsck(global: &Global, args: &args::Fsck) -> Result<(), CliError> {
    let (store, _lock) = Data::of(global)?.open()?;
    let report = store.fsck(args.repair).map_err(|e| CliError::Failed(e.into()))?;
    store.close().map_err(|e| CliError::Failed(e.into()))?;
    if global.json {
        show::json(&serde_json::json!({
            "records": report.records,
            "findings": report.findings,
            "rebuilt": report.rebuilt,
        }))?;
    } else {
        let mut text: String = report.findings.iter().map(|f| show::clean(f) + "\n").collect();
        text.push_str(&format!("{} records read, {}\n", report.records, verdict(&report)));
        terminal::print(text.as_bytes())?;
    }
    match report.findings.len() {
        0 => Ok(()),
        _ if report.rebuilt => Ok(()),
        found => Err(CliError::Failed(anyhow::anyhow!(
            "the store has {found} findings: `img fsck --repair` puts them right"
        ))),
    }
}

fn verdict(report: &crate::store::FsckReport) -> String {
    match (report.findings.len(), report.rebuilt) {
        (0, _) => "the store is well".to_owned(),
        (found, true) => format!("{found} findings, repaired"),
        (found, false) => format!("{found} findings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_store_is_put_aside_and_never_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let present = dir.path().join("db");
        let make = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("conf"), text).unwrap();
        };
        make("db", "present");
        make("db.old-1", "older");
        make("db.new-1", "fresh");
        let old = swap(&present, &dir.path().join("db.new-1")).unwrap().unwrap();
        assert_eq!(old, dir.path().join("db.old-2"));
        let text = |path: &Path| std::fs::read_to_string(path.join("conf")).unwrap();
        assert_eq!((text(&present), text(&old)), ("fresh".into(), "present".into()));
        assert_eq!(text(&dir.path().join("db.old-1")), "older");
    }

    #[test]
    fn a_backup_goes_over_no_file_and_only_its_owner_reads_it() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b");
        create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(create(&path).unwrap_err().to_string().contains("exists"));
    }

    #[test]
    fn a_backup_that_was_cut_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let whole = [&b"records"[..], &Sha256::digest(b"records")].concat();
        for (name, bytes, good) in [
            ("whole", &whole[..], true),
            ("cut", &whole[..whole.len() - 1], false),
            ("short", b"x", false),
            ("empty", b"", false),
        ] {
            let mut file = create(&dir.path().join(name)).unwrap();
            file.write_all(bytes).unwrap();
            assert_eq!(verify(&mut file).is_ok(), good, "{name}");
        }
    }
}
