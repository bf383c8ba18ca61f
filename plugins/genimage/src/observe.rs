//! Reads the tool's output: `INFO: KIND(NAME): text`.

use crate::{cfg, explain, rules};
use img_runner_sdk::{Event, Observer, Request, error, error_at, progress, warning};

/// Keeps which image is being made.
#[derive(Debug, Default)]
pub struct Reader {
    total: u64,
    begun: Vec<String>,
    copying: bool,
}

impl Reader {
    /// A reader that knows how many images there will be.
    pub fn new(request: &Request) -> Self {
        let (root, _) = cfg::read(&request.definition);
        Self { total: rules::images(&root).len() as u64, ..Self::default() }
    }

    fn image(&mut self, text: &str, events: &mut Vec<Event>) {
        let Some((kind, name)) = text.split_once("): ").and_then(|(head, _)| head.split_once('('))
        else {
            return self.copy(text, events);
        };
        // A file that is only taken is no image.
        if kind == "file" || self.begun.iter().any(|begun| begun == name) {
            return;
        }
        events.push(Event::Phase(format!("{name} ({kind})")));
        let done = self.begun.len() as u64;
        if done < self.total {
            events.push(progress(done, Some(self.total), "images"));
        }
        self.begun.push(name.to_owned());
    }

    fn copy(&mut self, text: &str, events: &mut Vec<Event>) {
        if text.starts_with("cmd: \"cp -a ") && !self.copying {
            self.copying = true;
            events.push(Event::Phase("copy the tree".to_owned()));
        }
    }
}

impl Observer for Reader {
    fn line(&mut self, line: &str, events: &mut Vec<Event>) {
        if let Some(text) = line.strip_prefix("INFO: ") {
            self.image(text, events);
        } else if let Some(text) = line.strip_prefix("ERROR: ") {
            events.push(Event::Diagnostic(error(text)));
        } else if let Some(text) = line.strip_prefix("WARNING: ") {
            events.push(Event::Diagnostic(warning(text)));
        } else if let Some((number, text)) = explain::place(line) {
            events.push(Event::Diagnostic(error_at(number, text)));
        }
    }
}
