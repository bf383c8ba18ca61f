//! What `img install` has to do here.

use super::{
    action::Action,
    look::{self, Found},
    parts::{self, Part},
    place::Place,
    programs, settings,
};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

/// What has to be done so that `own`, the running program, is installed. Nothing is changed.
///
/// # Errors
/// Something is in the way that a person has to decide about.
pub(super) fn plan(place: &Place, own: &Path) -> anyhow::Result<Vec<Action>> {
    let binary = program(place, own)?;
    let mut around = Vec::new();
    for part in [&parts::SYSUSERS, &parts::TMPFILES] {
        around.extend(text(place, part)?);
    }
    around.extend(account(place));
    around.extend(data(place)?);
    around.extend(configuration(place)?);
    let mut units = Vec::new();
    for part in &parts::UNIT_FILES {
        units.extend(text(place, part)?);
    }
    units.extend(obsolete(place));
    // Asking for the user and the folders again, as every installation does, is no reason to start
    // a running service anew.
    let changed = binary.iter().chain(&units).any(Action::acts);
    let mut todo: Vec<_> = binary.into_iter().chain(around).chain(units).collect();
    todo.extend(service(place, changed));
    Ok(todo)
}

fn program(place: &Place, own: &Path) -> anyhow::Result<Vec<Action>> {
    let to = place.at(parts::PROGRAM);
    match to.symlink_metadata() {
        Ok(meta) if !meta.is_file() => {
            bail!("{} is no regular file: move it away, and install again", to.display())
        }
        Ok(_) => {}
        Err(_) => return Ok(vec![Action::Program { from: own.to_owned(), to }]),
    }
    let same = look::same_program(own, &to)
        .with_context(|| format!("cannot compare {} with {}", own.display(), to.display()))?;
    Ok(vec![if same {
        Action::Leave { path: to, why: "it is this program".to_owned() }
    } else {
        Action::Program { from: own.to_owned(), to }
    }])
}

/// One of our files with a fixed text. What somebody else put in its place is kept beside it.
fn text(place: &Place, part: &Part) -> anyhow::Result<Vec<Action>> {
    const MODE: u32 = 0o644;
    let path = place.at(part.path);
    let found = look::look(&path, part.text.as_bytes(), MODE)
        .with_context(|| format!("cannot look at {}", path.display()))?;
    let write = Action::Write { path: path.clone(), text: part.text.to_owned(), mode: MODE };
    Ok(match found {
        Found::Nothing | Found::Ours => vec![write],
        Found::Same => vec![Action::Leave { path, why: "it is as it should be".to_owned() }],
        Found::Theirs => {
            let to = look::saved(&path);
            let why = "it is not of this program's making";
            vec![Action::PutAside { path, to, why }, write]
        }
        Found::Strange => bail!(
            "{} is a link or a folder: if it is masked, `systemctl unmask` it, else move it away; \
             then install again",
            path.display()
        ),
    })
}

fn account(place: &Place) -> Vec<Action> {
    if !place.is_box() {
        return Vec::new();
    }
    let user = programs::action("systemd-sysusers", &[parts::SYSUSERS.path]);
    let user = user.unwrap_or_else(|| {
        Action::Say(format!(
            "note: there is no systemd-sysusers here: the user {} has to be there already",
            parts::USER
        ))
    });
    let folders = programs::action("systemd-tmpfiles", &["--create", parts::TMPFILES.path]);
    std::iter::once(user).chain(folders).collect()
}

fn data(place: &Place) -> anyhow::Result<Vec<Action>> {
    let path = place.at(parts::DATA);
    if path.is_dir() {
        // Were it given to img here, systemd would leave what is inside as it is.
        let why = "it is there, and belongs to img from the next start on".to_owned();
        return Ok(vec![Action::Leave { path, why }]);
    }
    let owner = place.is_box().then_some(parts::USER);
    Ok(vec![Action::Folder { path, mode: 0o700, owner }])
}

fn configuration(place: &Place) -> anyhow::Result<Vec<Action>> {
    let path = place.at(parts::CONFIG);
    if path.symlink_metadata().is_err() {
        return Ok(vec![Action::Write { path, text: settings::for_units(), mode: 0o644 }]);
    }
    let again = "put it right, and install again; nothing was changed";
    crate::config::Config::load(Some(&path), |_| None).with_context(|| again.to_owned())?;
    let theirs = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}: {again}", path.display()))?;
    let shown = path.display().to_string();
    let said = settings::differences(&theirs);
    let said = said.into_iter().map(|line| Action::Say(format!("note: {shown}: {line}")));
    let leave = Action::Leave { path, why: "it is yours".to_owned() };
    Ok(std::iter::once(leave).chain(said).collect())
}

fn obsolete(place: &Place) -> Vec<Action> {
    let old = parts::OBSOLETE.iter().map(|old| (place.at(old.path), old));
    let old = old.filter(|(path, old)| look::is_marked(path, old.mark));
    old.map(|(path, old)| Action::PutAside { to: look::saved(&path), path, why: old.why }).collect()
}

fn service(place: &Place, changed: bool) -> Vec<Action> {
    let start = format!("systemctl enable --now {}", parts::ENABLED.join(" "));
    let systemctl = |words: &[&str]| programs::action("systemctl", words);
    if !place.is_box() {
        return Vec::new();
    }
    let (true, Some(reload)) = (place.has_systemd(), systemctl(&["daemon-reload"])) else {
        let text = format!(
            "note: systemd does not run here: nothing is started; where it runs, `{start}` does it"
        );
        return vec![Action::Say(text)];
    };
    let words: Vec<_> = ["enable", "--now"].into_iter().chain(parts::ENABLED).collect();
    let mut todo: Vec<_> = std::iter::once(reload).chain(systemctl(&words)).collect();
    if changed && is_running() {
        todo.extend(systemctl(&["restart", "img.service"]));
        todo.push(Action::Say(
            "note: img-builder.service goes on as it was started, so that its builds do not end; \
             `systemctl restart img-builder` renews it"
                .to_owned(),
        ));
    }
    todo
}

/// True if an IMG was started as a service before: its unit has a control group.
fn is_running() -> bool {
    let groups = ["/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice"];
    groups.iter().any(|group| PathBuf::from(group).join("img.service").is_dir())
}
