//! `img download`: a file of a job, checked against its SHA-256, put in place only when it is
//! whole. An interrupted download stays beside it as `NAME.part` for `--resume`.

use super::{CliError, args, args::Global, client::Client, jobs, show, terminal};
use crate::web::api::types::{ArtifactJson, JobJson};
use reqwest::{Method, StatusCode, header};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// How often a broken connection is made again before giving up.
const TRIES: u32 = 5;
/// How long it waits before each try.
const PAUSE: Duration = Duration::from_secs(1);

/// `img download`
pub async fn run(global: &Global, args: args::Download) -> Result<(), CliError> {
    let client = global.client()?;
    let job = jobs::fetch(&client, args.job).await?;
    let file = choose(&job, args.name.as_deref())?;
    let target = target(args.output.as_deref(), &file.name)?;
    match std::fs::symlink_metadata(&target) {
        Ok(_) if is_same(&target, file)? => return tell(global, file, &target, "is there already"),
        Ok(_) if !args.force => {
            return Err(CliError::Failed(anyhow::anyhow!(
                "{} exists and is a different file: replace it with --force, or name another \
                 place with -o",
                target.display()
            )));
        }
        Ok(_) | Err(_) => {}
    }
    let transfer = Transfer::open(&client, file, &target, args.resume)?;
    tokio::select! {
        done = transfer.run() => done?,
        _ = tokio::signal::ctrl_c() => return Err(CliError::Interrupted(
            "interrupted: the same command with --resume goes on from here".to_owned()
        )),
    }
    put_in_place(&part_of(&target), &target, args.force)?;
    tell(global, file, &target, "is complete")
}

fn choose<'j>(job: &'j JobJson, name: Option<&str>) -> Result<&'j ArtifactJson, CliError> {
    let found = match name {
        Some(name) => job.artifacts.iter().find(|file| file.name == name),
        None => job.artifacts.iter().find(|file| file.role == "image"),
    };
    found.ok_or_else(|| {
        if let Some(gone) = &job.files_deleted {
            let gone = show::clean(&show::deleted(gone));
            return CliError::Failed(anyhow::anyhow!("the files of job {} are {gone}", job.id));
        }
        let what = name.map_or_else(|| "no image".to_owned(), |name| format!("no file `{name}`"));
        let names: Vec<_> = job.artifacts.iter().map(|file| show::clean(&file.name)).collect();
        let hint = match names.as_slice() {
            [] => format!("it is {} and has no files", show::clean(&show::state(job))),
            names => format!("its files are {}", names.join(", ")),
        };
        CliError::Failed(anyhow::anyhow!("job {} has {what}: {hint}", job.id))
    })
}

/// Where the file goes. What the server calls it is only used if it is a plain name.
fn target(output: Option<&Path>, name: &str) -> Result<PathBuf, CliError> {
    let plain = || match Path::new(name).file_name() {
        Some(own) if own == name && !name.contains('\0') => Ok(name),
        _ => Err(CliError::Usage(format!(
            "the file's name `{}` cannot be used here: name one with -o FILE",
            show::clean(name)
        ))),
    };
    match output {
        None => Ok(Path::new(".").join(plain()?)),
        Some(path) if path.is_dir() => Ok(path.join(plain()?)),
        Some(path) => Ok(path.to_owned()),
    }
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    target.with_file_name(name)
}

fn is_same(path: &Path, file: &ArtifactJson) -> Result<bool, CliError> {
    let wrong = |e| CliError::failed(format!("cannot read {}", path.display()), e);
    let about = std::fs::metadata(path).map_err(wrong)?;
    if !about.is_file() || about.len() != file.size {
        return Ok(false);
    }
    let mut opened = File::open(path).map_err(wrong)?;
    let (hash, _) = hash_of(&mut opened).map_err(wrong)?;
    Ok(hex(hash) == file.sha256)
}

/// Reads to the end; says how much that was.
fn hash_of(file: &mut File) -> io::Result<(Sha256, u64)> {
    let (mut hash, mut len, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok((hash, len));
        };
        hash.update(bytes);
        len += read as u64;
    }
}

fn hex(hash: Sha256) -> String {
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// A file on its way.
struct Transfer<'c> {
    client: &'c Client,
    file: &'c ArtifactJson,
    part: PathBuf,
    out: File,
    hash: Sha256,
    len: u64,
    bar: indicatif::ProgressBar,
}

impl<'c> Transfer<'c> {
    fn open(
        client: &'c Client,
        file: &'c ArtifactJson,
        target: &Path,
        resume: bool,
    ) -> Result<Self, CliError> {
        let part = part_of(target);
        let wrong = |e| CliError::failed(format!("cannot write {}", part.display()), e);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(!resume);
        let mut out = options.open(&part).map_err(wrong)?;
        let (mut hash, mut len) = hash_of(&mut out).map_err(wrong)?;
        if len > file.size {
            // Left over from another file: nothing of it can be used.
            out.set_len(0).and_then(|()| out.rewind()).map_err(wrong)?;
            (hash, len) = (Sha256::new(), 0);
        }
        let bar = terminal::bar(&show::clean(&file.name), Some(file.size), len);
        Ok(Self { client, file, part, out, hash, len, bar })
    }

    async fn run(mut self) -> Result<(), CliError> {
        let mut tries = 0;
        while self.len < self.file.size {
            let before = self.len;
            if let Err(error) = self.piece().await {
                tries = if self.len > before { 1 } else { tries + 1 };
                let again = self.len > 0 && !matches!(error, CliError::Refused { .. });
                if !again || tries > TRIES {
                    return Err(error);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.bar.finish_and_clear();
        self.verify()
    }

    async fn piece(&mut self) -> Result<(), CliError> {
        let mut request = self.client.request(Method::GET, &self.file.url);
        if self.len > 0 {
            request = request
                .header(header::RANGE, format!("bytes={}-", self.len))
                .header(header::IF_RANGE, format!("\"{}\"", self.file.sha256));
        }
        let mut response = self.client.send(request).await?;
        if self.len > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
            self.restart()?;
        }
        loop {
            match response.chunk().await {
                Ok(Some(bytes)) => self.take(&bytes)?,
                Ok(None) if self.len < self.file.size => {
                    return Err(CliError::Failed(anyhow::anyhow!("the download ended early")));
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.client.broke(error)),
            }
        }
    }

    /// The server sends everything again.
    fn restart(&mut self) -> Result<(), CliError> {
        self.out.set_len(0).and_then(|()| self.out.rewind()).map_err(|e| self.wrong(e))?;
        (self.hash, self.len) = (Sha256::new(), 0);
        self.bar.set_position(0);
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.len += bytes.len() as u64;
        if self.len > self.file.size {
            return Err(CliError::Failed(anyhow::anyhow!(
                "the server sends more than the file's {} bytes",
                self.file.size
            )));
        }
        self.out.write_all(bytes).map_err(|e| self.wrong(e))?;
        self.hash.update(bytes);
        self.bar.set_position(self.len);
        Ok(())
    }

    fn verify(self) -> Result<(), CliError> {
        self.out.sync_all().map_err(|e| self.wrong(e))?;
        let got = hex(self.hash);
        if got == self.file.sha256 {
            return Ok(());
        }
        Err(CliError::Failed(anyhow::anyhow!(
            "what arrived has the SHA-256 {got}, expected {}: run it again without --resume \
             (what arrived is in {})",
            self.file.sha256,
            self.part.display()
        )))
    }

    fn wrong(&self, error: io::Error) -> CliError {
        CliError::failed(format!("cannot write {}", self.part.display()), error)
    }
}

/// Gives the finished file its name; without `force` only if nothing took it in the meantime.
fn put_in_place(part: &Path, target: &Path, force: bool) -> Result<(), CliError> {
    let flags = if force { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
    renameat_with(CWD, part, CWD, target, flags).map_err(|e| {
        let what = format!("cannot name {} {}", part.display(), target.display());
        CliError::failed(what, io::Error::from(e))
    })
}

fn tell(global: &Global, file: &ArtifactJson, path: &Path, what: &str) -> Result<(), CliError> {
    if global.json {
        let path = Some(path.display().to_string());
        return show::json(&ArtifactJson { path, ..file.clone() });
    }
    let path = show::clean(&path.display().to_string());
    let text = format!("{path} {what}: {}, sha256 {}\n", show::size(file.size), file.sha256);
    terminal::print(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, role: &str) -> ArtifactJson {
        ArtifactJson { name: name.into(), role: role.into(), ..ArtifactJson::default() }
    }

    #[test]
    fn without_a_name_the_image_is_meant() {
        let artifacts = vec![file("SHA256SUMS", "checksum"), file("a.img", "image")];
        let job = JobJson { id: 7, artifacts, ..JobJson::default() };
        assert_eq!(choose(&job, None).unwrap().name, "a.img");
        assert_eq!(choose(&job, Some("SHA256SUMS")).unwrap().role, "checksum");
        let said = choose(&job, Some("b")).unwrap_err().to_string();
        assert_eq!(said, "job 7 has no file `b`: its files are SHA256SUMS, a.img");
    }

    #[test]
    fn a_name_from_the_server_never_leaves_the_directory() {
        for bad in ["../x", "a/b", "/etc/passwd", "..", ".", "", "a/", "a\0b"] {
            assert!(target(None, bad).is_err(), "{bad:?}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(target(Some(dir.path()), "-a").unwrap(), dir.path().join("-a"));
        let chosen = dir.path().join("own name");
        assert_eq!(target(Some(&chosen), "../x").unwrap(), chosen);
    }

    #[test]
    fn a_file_that_took_the_name_in_the_meantime_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (part, target) = (dir.path().join("a.part"), dir.path().join("a"));
        std::fs::write(&part, "new").unwrap();
        std::fs::write(&target, "old").unwrap();
        assert!(put_in_place(&part, &target, false).is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        put_in_place(&part, &target, true).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
    }
}
