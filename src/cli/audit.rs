//! `img audit`: whether the audit trail is whole.

use super::{CliError, args::Global, direct::Data, show, terminal};
use crate::store::AuditCheck;

/// `img audit verify`
pub fn verify(global: &Global) -> Result<(), CliError> {
    let (store, _lock) = Data::of(global)?.open()?;
    let check = store.verify_audit().map_err(|e| CliError::Failed(e.into()))?;
    store.close().map_err(|e| CliError::Failed(e.into()))?;
    if global.json {
        show::json(&serde_json::json!({
            "lines": check.lines,
            "first": check.first,
            "last": check.last,
            "broken": check.broken,
        }))?;
    } else {
        let mut text: String = check.broken.iter().map(|b| show::clean(b) + "\n").collect();
        text.push_str(&verdict(&check));
        terminal::print(text.as_bytes())?;
    }
    match check.broken.len() {
        0 => Ok(()),
        places => Err(CliError::Failed(anyhow::anyhow!(
            "the audit trail is broken in {places} places: compare it with a backup from before"
        ))),
    }
}

fn verdict(check: &AuditCheck) -> String {
    let AuditCheck { lines, first, last, broken } = check;
    let whole = if broken.is_empty() { "the trail is whole" } else { "the trail is broken" };
    match lines {
        0 => format!("no lines: {whole}\n"),
        _ => format!("{lines} lines, from {first} to {last}: {whole}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_the_lines_that_were_read() {
        let check = AuditCheck { lines: 5, first: 3, last: 7, broken: Vec::new() };
        assert_eq!(verdict(&check), "5 lines, from 3 to 7: the trail is whole\n");
        let check = AuditCheck { broken: vec!["line 4 was taken out".into()], ..check };
        assert_eq!(verdict(&check), "5 lines, from 3 to 7: the trail is broken\n");
        assert_eq!(verdict(&AuditCheck::default()), "no lines: the trail is whole\n");
    }
}
