//! `img cleanup`: what would go, or the receipt of what went.

use super::{
    CliError,
    args::{Cleanup, Global},
    client::Client,
    show, terminal,
};
use crate::web::api::types::{
    ClassJson, CleanupAskedJson, PlannedJson, PreviewJson, ReceiptJson, ReceiptsJson,
};
use reqwest::Method;
use std::{fmt::Write as _, time::Duration};

/// Between two looks for the receipt.
const PAUSE: Duration = Duration::from_millis(200);

/// `img cleanup`
pub async fn run(global: &Global, args: &Cleanup) -> Result<(), CliError> {
    let client = global.client()?;
    if args.dry_run {
        let preview: PreviewJson = client.get("/api/v1/cleanup/preview").await?;
        return match global.json {
            true => show::json(&preview),
            false => terminal::print(shown_preview(&preview).as_bytes()),
        };
    }
    let request = client.request(Method::POST, "/api/v1/cleanup").json(&serde_json::json!({}));
    let asked: CleanupAskedJson = client.json(request).await?;
    let receipt = tokio::select! {
        receipt = wait(&client, &asked) => receipt?,
        _ = tokio::signal::ctrl_c() => return Err(CliError::Interrupted(
            "interrupted: the cleanup goes on, its receipt is on the Disk page".to_owned()
        )),
    };
    match global.json {
        true => show::json(&receipt)?,
        false => terminal::print(shown_receipt(&receipt).as_bytes())?,
    }
    match receipt.mishaps.len() as u64 + receipt.more_mishaps {
        0 => Ok(()),
        n => Err(CliError::Failed(anyhow::anyhow!(
            "{n} things went wrong in cleanup {}; the rest is done",
            receipt.run
        ))),
    }
}

/// The receipt of the first run that began after it was asked for.
async fn wait(client: &Client, asked: &CleanupAskedJson) -> Result<ReceiptJson, CliError> {
    let path = format!("/api/v1/cleanup/runs?after={}", asked.after);
    loop {
        let all: ReceiptsJson = client.get(&path).await?;
        let ours = |r: &ReceiptJson| r.ended.is_some() && not_before(&r.begun, &asked.asked);
        // The newest is first.
        if let Some(receipt) = all.runs.into_iter().rev().find(ours) {
            return Ok(receipt);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether one moment is not before another; what cannot be read is no reason to wait for ever.
fn not_before(begun: &str, asked: &str) -> bool {
    match (begun.parse::<jiff::Timestamp>(), asked.parse::<jiff::Timestamp>()) {
        (Ok(begun), Ok(asked)) => begun >= asked,
        _ => true,
    }
}

fn classes(text: &mut String, all: &[ClassJson]) {
    for class in all {
        let (items, bytes) = (class.items, show::size(class.bytes));
        let _ = writeln!(text, "  {}: {items}, {bytes}", show::clean(&class.class));
    }
}

fn planned(rows: &[PlannedJson]) -> String {
    let row = |row: &PlannedJson| {
        let kept = row.kept_because.as_deref().map(|why| format!("kept: {why}"));
        vec![
            format!("  {}", row.job),
            show::clean(&row.name),
            show::clean(&row.class),
            show::short_size(row.bytes),
            show::clean(&row.why),
            show::clean(&kept.unwrap_or_default()),
        ]
    };
    show::table(&rows.iter().map(row).collect::<Vec<_>>())
}

fn shown_preview(preview: &PreviewJson) -> String {
    let mut text = match preview.items {
        0 => "nothing would be deleted\n".to_owned(),
        n => format!("{n} would be deleted, {}\n", show::size(preview.bytes)),
    };
    classes(&mut text, &preview.by_class);
    text.push_str(&planned(&preview.goes));
    if preview.stays_items > 0 {
        let _ = writeln!(text, "{} stay although a rule wants them", preview.stays_items);
        text.push_str(&planned(&preview.stays));
    }
    for what in &preview.unmet {
        let _ = writeln!(text, "cannot be met: {}", show::clean(what));
    }
    text
}

fn shown_receipt(receipt: &ReceiptJson) -> String {
    let mut text = format!(
        "cleanup {}: {} of {} deleted, {}\n",
        receipt.run,
        receipt.items,
        receipt.planned_items,
        show::size(receipt.bytes)
    );
    classes(&mut text, &receipt.by_class);
    let _ = writeln!(text, "kept by guards: {}", receipt.saved);
    if let Some(ms) = receipt.length_ms {
        let _ = writeln!(text, "took {}", show::length(ms));
    }
    for what in &receipt.unmet {
        let _ = writeln!(text, "cannot be met: {}", show::clean(what));
    }
    for mishap in &receipt.mishaps {
        let job = mishap.job.map(|job| format!("job {job}: ")).unwrap_or_default();
        let _ = writeln!(text, "went wrong: {job}{}", show::clean(&mishap.what));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::api::types::MishapJson;

    #[test]
    fn a_receipt_from_before_is_not_taken_for_the_one_that_was_asked_for() {
        let asked = "2026-11-25T18:40:12.5Z";
        assert!(!not_before("2026-11-25T18:40:12.499Z", asked));
        assert!(not_before("2026-11-25T18:40:12.5Z", asked));
        assert!(not_before("2026-11-25T18:40:13Z", asked));
        assert!(not_before("no moment", asked));
    }

    #[test]
    fn what_went_wrong_and_what_cannot_be_met_is_said_without_control_characters() {
        let receipt = ReceiptJson {
            run: 7,
            mishaps: vec![MishapJson { job: Some(3), what: "busy\x1b[2J".into() }],
            unmet: vec!["the budget".into()],
            ..ReceiptJson::default()
        };
        let text = shown_receipt(&receipt);
        assert!(text.contains("went wrong: job 3: busy\u{fffd}"), "{text}");
        assert!(text.contains("cannot be met: the budget"), "{text}");
        let row =
            PlannedJson { kept_because: Some("it is pinned".into()), ..PlannedJson::default() };
        let preview = PreviewJson { stays: vec![row], stays_items: 1, ..PreviewJson::default() };
        let text = shown_preview(&preview);
        assert!(text.starts_with("nothing would be deleted\n"), "{text}");
        assert!(text.contains("kept: it is pinned"), "{text}");
    }
}
