//! Prints what the reader makes of a kickstart file, as JSON: `dump FILE`.

use kickstart::{EntryKind, Given, Kickstart, Severity};
use std::{env, fs, process::ExitCode};

fn text(value: &str) -> String {
    let mut out = String::from('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list<T>(items: impl IntoIterator<Item = T>, one: impl Fn(T) -> String) -> String {
    let items: Vec<_> = items.into_iter().map(one).collect();
    format!("[{}]", items.join(",\n "))
}

fn words(words: &[String]) -> String {
    list(words, |word| text(word))
}

fn options(options: &[Given]) -> String {
    list(options, |given| {
        let value = given.value.as_deref().map_or_else(|| "null".into(), text);
        format!("[{},{value}]", text(&given.name))
    })
}

fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Add => "add",
        EntryKind::Remove => "remove",
        EntryKind::Group => "group",
        EntryKind::RemoveGroup => "remove-group",
        EntryKind::Environment => "environment",
        EntryKind::RemoveEnvironment => "remove-environment",
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn commands(kickstart: &Kickstart<'_>) -> String {
    list(&kickstart.commands, |command| {
        format!(
            "{{\"line\":{},\"words\":{},\"known\":{},\"options\":{}}}",
            command.line,
            words(&command.words),
            command.known,
            options(&command.options)
        )
    })
}

fn sections(kickstart: &Kickstart<'_>) -> String {
    list(&kickstart.sections, |section| {
        format!(
            "{{\"header\":{},\"line\":{},\"last_line\":{},\"ended\":{},\"words\":{},\
             \"options\":{},\"body\":{}}}",
            text(&section.header),
            section.line,
            section.last_line,
            section.ended,
            words(&section.words),
            options(&section.options),
            text(kickstart.body(section))
        )
    })
}

fn packages(kickstart: &Kickstart<'_>) -> String {
    list(kickstart.packages(), |entry| {
        format!("[{},{},{}]", text(kind(entry.kind)), text(&entry.name), entry.line)
    })
}

fn diagnostics(kickstart: &Kickstart<'_>) -> String {
    list(&kickstart.diagnostics, |one| {
        let line = one.line.map_or_else(|| "null".into(), |line| line.to_string());
        let hint = one.hint.as_deref().map_or_else(|| "null".into(), text);
        let message = text(&one.message);
        format!("[{},{line},{message},{hint}]", text(severity(one.severity)))
    })
}

fn main() -> ExitCode {
    let Some(path) = env::args_os().nth(1) else {
        eprintln!("usage: dump FILE");
        return ExitCode::from(2);
    };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("cannot read {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    };
    let kickstart = kickstart::parse_bytes(&bytes);
    let includes = list(&kickstart.includes, |include| {
        format!("[{},{},{}]", text(&include.directive), text(&include.target), include.line)
    });
    println!(
        "{{\"commands\":{},\n\"sections\":{},\n\"packages\":{},\n\"includes\":{includes},\n\
         \"diagnostics\":{}}}",
        commands(&kickstart),
        sections(&kickstart),
        packages(&kickstart),
        diagnostics(&kickstart)
    );
    ExitCode::SUCCESS
}
