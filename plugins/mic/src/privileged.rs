//! What in a definition acts on the box itself, as root, rather than within the image.

use img_runner_sdk::{Diagnostic, warning_at};
use kickstart::{Command, Given, Kickstart, Section, SectionKind};

/// Everything that does, in the order of the lines.
pub(crate) fn find(kickstart: &Kickstart<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    kickstart.sections.iter().for_each(|section| found.extend(of_section(section)));
    for include in &kickstart.includes {
        let (directive, target) = (&include.directive, shown(&include.target));
        let message = format!(
            "`{directive}` on line {} reads `{target}` on the box, which can hold anything",
            include.line
        );
        found.push(warning_at(include.line, message));
    }
    for entry in kickstart.entries_in(SectionKind::Attachment) {
        let (line, name) = (entry.line, shown(&entry.name));
        let message = format!("`%attachment` on line {line} copies `{name}` as root");
        found.push(warning_at(line, message));
    }
    for command in &kickstart.commands {
        found.extend(source_on_box(command));
        found.extend(shell_text(command));
    }
    found.sort_by_key(|one| one.line);
    found
}

fn of_section(section: &Section) -> Option<Diagnostic> {
    let line = section.line;
    let header = &section.header;
    let runs = |what: &str| {
        Some(warning_at(line, format!("`{header}{what}` on line {line} runs on the box as root")))
    };
    match section.kind {
        SectionKind::Post if section.has("--nochroot") => runs(" --nochroot"),
        SectionKind::Post if has_unreadable_options(section) => {
            let message = format!(
                "`%post` on line {line} has options the tool cannot read: it then runs on the \
                 box as root"
            );
            Some(warning_at(line, message))
        }
        SectionKind::Post => interpreter(section),
        SectionKind::Pre | SectionKind::PreInstall | SectionKind::Pack => runs(""),
        SectionKind::OnError | SectionKind::Traceback => runs(""),
        _ => None,
    }
}

/// When the tool fails to read a header's options it goes on with its defaults, and the default of
/// a script is to run outside of the image.
fn has_unreadable_options(section: &Section) -> bool {
    let readable = |given: &Given| match given.name.as_str() {
        "--erroronfail" => given.value.is_none(),
        "--interpreter" | "--log" | "--logfile" => given.value.is_some(),
        _ => false,
    };
    !section.operands.is_empty() || !section.options.iter().all(readable)
}

/// A usual interpreter runs within the image; an address elsewhere may not.
fn interpreter(section: &Section) -> Option<Diagnostic> {
    let program = section.value("--interpreter")?;
    let usual = ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/", "/usr/local/bin/"];
    let plain = usual.iter().any(|place| program.starts_with(place)) && !program.contains("..");
    if plain {
        return None;
    }
    let (line, program) = (section.line, shown(program));
    let message = format!("`%post` on line {line} is run by `{program}`, no usual interpreter");
    Some(warning_at(line, message))
}

/// A repository or installation source that lies on the box.
fn source_on_box(command: &Command) -> Option<Diagnostic> {
    const OPTIONS: [&str; 4] = ["--baseurl", "--mirrorlist", "--metalink", "--url"];
    if !matches!(command.name.as_str(), "repo" | "url" | "liveimg" | "harddrive") {
        return None;
    }
    let given = command.options.iter().filter(|given| OPTIONS.contains(&given.name.as_str()));
    let mut values = given.filter_map(|given| given.value.as_deref());
    let value = values.find(|value| is_on_box(value))?;
    let (line, name, value) = (command.line, &command.name, shown(value));
    let message = format!("`{name}` on line {line} reads `{value}` on the box");
    Some(warning_at(line, message))
}

fn is_on_box(url: &str) -> bool {
    let url = url.trim_start().to_ascii_lowercase();
    url.starts_with('/') || url.starts_with("file:") || url.starts_with("dir:")
}

/// The tool puts names and file systems of partitions into shell lines of its own.
fn shell_text(command: &Command) -> Option<Diagnostic> {
    if !matches!(command.name.as_str(), "part" | "partition" | "btrfs" | "repo") {
        return None;
    }
    let values = command.options.iter().filter_map(|given| given.value.as_deref());
    let mut texts = values.chain(command.operands.iter().map(String::as_str));
    let text = texts.find(|text| text.contains(['`', '$', ';', '|', '<', '>', '\n', '\'', '"']))?;
    // Addresses have `$basearch` and the like; nothing runs them.
    if command.name == "repo" && !text.contains(['`', ';', '|', '\n']) {
        return None;
    }
    let (line, name, text) = (command.line, &command.name, shown(text));
    let message =
        format!("`{name}` on line {line} has `{text}`, which a shell on the box may read");
    Some(warning_at(line, message))
}

fn shown(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<u32> {
        find(&kickstart::parse(text)).iter().filter_map(|one| one.line).collect()
    }

    #[test]
    fn what_acts_on_the_box_is_found_with_its_line() {
        let text = "lang C\n\
                    repo --name=a --baseurl=file:///srv/rpms\n\
                    repo --name=b --mirrorlist=FILE:/srv/list\n\
                    %include /etc/shadow\n\
                    %pre\nid\n%end\n\
                    %post\nid\n%end\n\
                    %post --nochroot\nid\n%end\n\
                    %post --interpreter=/build/work/sh\nid\n%end\n\
                    %pack\nid\n%end\n\
                    %attachment\n/boot/vmlinuz\n%end\n";
        assert_eq!(lines(text), [2, 3, 4, 5, 11, 14, 17, 21]);
        let first = &find(&kickstart::parse("%post --nochr --erroronfail\n%end\n"))[0];
        assert_eq!(first.message, "`%post --nochroot` on line 1 runs on the box as root");
    }

    #[test]
    fn a_header_the_tool_cannot_read_falls_back_to_the_box() {
        for header in ["--frobnicate", "extra", "--interpreter", "--erroronfail=1", "--lo=x"] {
            assert_eq!(lines(&format!("%post {header}\nid\n%end\n")), [1], "{header}");
        }
    }

    #[test]
    fn what_stays_in_the_image_is_not() {
        let text = "part / --size=1 --fsoptions=defaults,noatime\n\
                    repo --name=a --baseurl=http://a.example/$basearch/ \
                    --gpgkey=file:///etc/pki/key\n\
                    %packages\nbash\n%end\n\
                    %post --erroronfail --interpreter=/usr/bin/python3\nid\n%end\n";
        assert_eq!(lines(text), []);
    }

    #[test]
    fn a_label_that_a_shell_would_read_is_found() {
        assert_eq!(lines("part / --size=1 --label='x; id'\n"), [1]);
        assert_eq!(lines("part / --size=1 --fstype='ext4$(id)'\n"), [1]);
    }
}
