//! What `img uninstall` has to do here.

use super::{
    action::Action,
    look::{self, Found},
    parts::{self, Part},
    place::Place,
    programs,
};
use anyhow::Context as _;
use std::path::Path;

/// What has to be done so that nothing of IMG is left but, unless `purge`, its data and its
/// configuration. Nothing is changed.
///
/// # Errors
/// What lies there cannot be looked at.
pub(super) fn plan(place: &Place, own: &Path, purge: bool) -> anyhow::Result<Vec<Action>> {
    let mut todo = stop(place);
    for part in parts::all() {
        todo.extend(text(place, part)?);
    }
    todo.extend(program(place, own)?);
    if place.has_systemd() {
        todo.extend(programs::action("systemctl", &["daemon-reload"]));
    }
    todo.extend(socket_folder(place));
    todo.extend(kept(place, purge));
    Ok(todo)
}

fn stop(place: &Place) -> Vec<Action> {
    let there = |unit: &&str| place.at(&format!("/etc/systemd/system/{unit}")).is_file();
    let of = |words: &[&'static str], units: &[&'static str]| {
        let units: Vec<_> = units.iter().copied().filter(|unit| there(unit)).collect();
        let words: Vec<_> = words.iter().copied().chain(units.iter().copied()).collect();
        if units.is_empty() { None } else { programs::action("systemctl", &words) }
    };
    if !place.has_systemd() {
        return Vec::new();
    }
    let disable = of(&["disable"], &parts::ENABLED);
    disable.into_iter().chain(of(&["stop"], &parts::UNITS)).collect()
}

fn text(place: &Place, part: &Part) -> anyhow::Result<Option<Action>> {
    let path = place.at(part.path);
    let found = look::look(&path, part.text.as_bytes(), 0o644)
        .with_context(|| format!("cannot look at {}", path.display()))?;
    Ok(match found {
        Found::Nothing => None,
        Found::Same | Found::Ours => Some(Action::Remove { path }),
        Found::Theirs | Found::Strange => {
            Some(Action::Leave { path, why: "it is not of this program's making".to_owned() })
        }
    })
}

fn program(place: &Place, own: &Path) -> anyhow::Result<Option<Action>> {
    let path = place.at(parts::PROGRAM);
    let Ok(meta) = path.symlink_metadata() else { return Ok(None) };
    let same = meta.is_file()
        && look::same_program(own, &path)
            .with_context(|| format!("cannot compare {} with this program", path.display()))?;
    Ok(Some(if same {
        Action::Remove { path }
    } else {
        Action::Leave { path, why: "it is another program than this one".to_owned() }
    }))
}

/// Gone by itself at the next start of the box; systemd takes the socket away when it stops it.
fn socket_folder(place: &Place) -> Vec<Action> {
    let path = place.at(parts::RUN);
    if !place.has_systemd() || !path.is_dir() {
        return Vec::new();
    }
    vec![Action::Remove { path: path.join("builder.sock") }, Action::RemoveEmpty { path }]
}

fn kept(place: &Place, purge: bool) -> Vec<Action> {
    let (config, data) = (place.at(parts::CONFIG), place.at(parts::DATA));
    let leave = |path, why: &str| Action::Leave { path, why: why.to_owned() };
    let mut todo = Vec::new();
    match (data.is_dir(), purge) {
        (true, true) => todo.push(Action::RemoveAll { path: data }),
        (true, false) => todo.push(leave(data, "jobs, images and users stay; --purge removes it")),
        (false, _) => {}
    }
    match (config.symlink_metadata().is_ok(), purge) {
        (true, true) => todo.extend(purge_config(place, &config)),
        (true, false) => todo.push(leave(config, "it is yours; --purge removes it")),
        (false, _) => {}
    }
    if purge && place.is_box() {
        todo.push(Action::Say(format!("note: `userdel {}` removes the user", parts::USER)));
    }
    todo
}

/// The file; the folder only if nothing else is in it (certificates, say); and a word about data
/// that are elsewhere.
fn purge_config(place: &Place, config: &Path) -> Vec<Action> {
    let mut todo = vec![Action::Remove { path: config.to_owned() }];
    if let Some(dir) = config.parent() {
        let others = std::fs::read_dir(dir).map_or(0, Iterator::count).saturating_sub(1);
        todo.push(match others {
            0 => Action::RemoveEmpty { path: dir.to_owned() },
            _ => Action::Leave { path: dir.to_owned(), why: "there is more in it".to_owned() },
        });
    }
    let named = crate::config::Config::load(Some(config), |_| None).map(|c| c.server.data_dir);
    match named {
        Ok(dir) if place.is_box() && dir != Path::new(parts::DATA) => {
            let why = "the configuration keeps the data there: remove it yourself".to_owned();
            todo.push(Action::Leave { path: dir, why });
        }
        _ => {}
    }
    todo
}
