//! When chores are due: cron texts in words and moments, what somebody changed, and how the last
//! runs went.

use super::{App, AppError, Chore, Peer, Problem};
use crate::{
    domain::{Actor, Timestamp, Verb},
    store::AuditRecord,
};
use chrono::{DateTime, Utc};
use croner::{
    Cron,
    parser::{CronParser, Seconds},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Moments a page shows.
const NEXT: usize = 3;
/// Characters a cron text may have.
const LONGEST: usize = 100;

/// Cron texts by chore; an empty one switches the chore off.
pub type Timetable = BTreeMap<Chore, String>;

/// Why a text cannot be used as a time of a chore.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no timetable: {reason}; give six fields (second minute hour day month weekday, in UTC), such as \"0 30 3 * * *\" for half past three every night"
)]
pub struct CronTextError {
    text: String,
    reason: String,
}

/// A cron text that was read.
#[derive(Clone, Debug)]
pub struct CronText(Cron);

impl CronText {
    /// Reads six fields, the first of them seconds. A date that never comes is refused.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(text: &str, now: Timestamp) -> Result<Self, CronTextError> {
        let shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
        let bad = |reason: String| CronTextError { text: shown.clone(), reason };
        if text.len() > LONGEST {
            return Err(bad("it is too long".into()));
        }
        let parser = CronParser::builder().seconds(Seconds::Required).build();
        let cron = parser.parse(text.trim()).map_err(|e| bad(e.to_string().to_lowercase()))?;
        let read = Self(cron);
        match read.after(now) {
            Some(_) => Ok(read),
            None => Err(bad("this date never comes".into())),
        }
    }

    /// The first moment after `now`.
    pub fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let now: DateTime<Utc> = DateTime::from_timestamp_millis(now.as_millis())?;
        let next = self.0.find_next_occurrence(&now, false).ok()?;
        Some(Timestamp::from_millis(next.timestamp_millis()))
    }

    /// As a sentence.
    pub fn sentence(&self) -> String {
        let text = self.0.describe();
        text.trim_end_matches('.').to_owned()
    }
}

/// How the last run of a chore went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it began, in milliseconds.
    pub at: i64,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// What made it run.
    pub trigger: String,
    /// What came of it, one sentence.
    pub outcome: String,
    /// False if it failed.
    pub well: bool,
    /// When it was due last while it still ran, in milliseconds: that run was left out.
    pub left_out: Option<i64>,
}

/// A chore as the schedules page shows it.
#[derive(Clone, Debug)]
pub struct ScheduleView {
    /// The chore.
    pub chore: Chore,
    /// Its cron text; empty when it is switched off.
    pub text: String,
    /// The text of config.toml, if somebody changed it since.
    pub original: Option<String>,
    /// The text as a sentence.
    pub sentence: String,
    /// The next moments.
    pub next: Vec<Timestamp>,
    /// How the last run went.
    pub last: Option<LastRun>,
    /// True while it runs.
    pub running: bool,
}

fn setting(chore: Chore) -> String {
    format!("schedule.{}", chore.as_str())
}

fn last_key(chore: Chore) -> String {
    format!("chore.{}.last", chore.as_str())
}

impl App {
    /// The cron texts as they are now: what somebody changed, else config.toml.
    pub fn timetable(&self) -> Timetable {
        let text = |chore: Chore| {
            let changed = self.store().setting(&setting(chore)).ok().flatten();
            let given = || self.settings().timetable.get(&chore).cloned().unwrap_or_default();
            (chore, changed.unwrap_or_else(given))
        };
        Chore::ALL.into_iter().map(text).collect()
    }

    /// The chores with their times.
    ///
    /// # Errors
    /// Denied, or the store cannot be read.
    pub fn schedules(&self, actor: &Actor, now: Timestamp) -> Result<Vec<ScheduleView>, AppError> {
        actor.allow(Verb::ViewHealth)?;
        let running = self.running_chores();
        let view = |(chore, text): (Chore, String)| {
            let given = self.settings().timetable.get(&chore).cloned().unwrap_or_default();
            let read = CronText::read(&text, now).ok();
            let mut next = Vec::new();
            let mut at = now;
            while let Some(moment) =
                read.as_ref().and_then(|r| r.after(at)).filter(|_| next.len() < NEXT)
            {
                next.push(moment);
                at = moment;
            }
            ScheduleView {
                chore,
                sentence: match &read {
                    Some(read) => read.sentence(),
                    None if text.is_empty() => "switched off".into(),
                    None => "never: this text cannot be read".into(),
                },
                next,
                last: self.last_run(chore),
                running: running.contains(&chore),
                original: (given != text).then_some(given),
                text,
            }
        };
        Ok(self.timetable().into_iter().map(view).collect())
    }

    /// Changes when a chore is due; `None` goes back to config.toml, an empty text switches it off.
    ///
    /// # Errors
    /// Denied, or `Invalid` when the text is no cron text.
    pub async fn set_schedule(
        &self,
        actor: &Actor,
        chore: Chore,
        text: Option<&str>,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<(), AppError> {
        actor.allow(Verb::RunCleanup)?;
        let text = text.map(str::trim).map(str::to_owned);
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty())
            && let Err(error) = CronText::read(text, now)
        {
            return Err(AppError::Invalid(vec![Problem::new("text", error.to_string())]));
        }
        let old = self.timetable().remove(&chore).unwrap_or_default();
        let audit = AuditRecord {
            at: now,
            actor: actor.user.to_string(),
            peer: peer.shown(),
            action: "schedule.change".into(),
            object: chore.as_str().into(),
            detail: format!("{old} → {}", text.as_deref().unwrap_or("as in config.toml")),
            request: peer.request.clone(),
        };
        let key = setting(chore);
        self.store()
            .write(move |tx| {
                tx.put_setting(&key, text.as_deref())?;
                tx.append_audit(&audit)
            })
            .await?;
        self.timetable_changed();
        Ok(())
    }

    /// How the last run of a chore went.
    pub fn last_run(&self, chore: Chore) -> Option<LastRun> {
        let text = self.store().setting(&last_key(chore)).ok().flatten()?;
        serde_json::from_str(&text).ok()
    }

    /// Notes how a run went. A full disk keeps it from being noted, nothing more.
    pub fn note_run(&self, chore: Chore, run: &LastRun) {
        let mut run = run.clone();
        self.change_last(chore, move |last| {
            run.left_out = last.left_out.max(run.left_out);
            *last = run;
        });
    }

    /// Notes that a run was left out because the one before still went on.
    pub fn note_left_out(&self, chore: Chore, at: Timestamp) {
        self.change_last(chore, move |last| last.left_out = Some(at.as_millis()));
    }

    /// Two may have something to say at once: each changes what the other said.
    fn change_last(&self, chore: Chore, change: impl FnOnce(&mut LastRun) + Send + 'static) {
        let key = last_key(chore);
        let noted = self.store().write_blocking(move |tx| {
            let text = tx.setting(&key)?;
            let mut last = text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
            change(&mut last);
            match serde_json::to_string(&last) {
                Ok(text) => tx.put_setting(&key, Some(&text)),
                Err(_) => Ok(()),
            }
        });
        if let Err(error) = noted {
            tracing::warn!(chore = chore.as_str(), %error, "the run of a chore could not be noted");
        }
    }

    /// When the next cleanup is due.
    pub fn next_cleanup(&self, now: Timestamp) -> Option<Timestamp> {
        let text = self.timetable().remove(&Chore::Cleanup)?;
        CronText::read(&text, now).ok()?.after(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_642_200_000);

    #[test]
    fn a_text_is_read_said_and_known_ahead() {
        let every = CronText::read("0 */15 * * * *", NOW).unwrap();
        let next = every.after(NOW).unwrap();
        assert!(next > NOW && next.since(NOW).as_secs() <= 900);
        assert_eq!(next.as_millis() % 900_000, 0);
        assert!(every.sentence().contains("15"), "{}", every.sentence());
    }

    #[test]
    fn what_is_no_timetable_is_refused_with_an_example() {
        for bad in ["", "* * * * *", "61 * * * * *", "0 0 0 31 2 *", "hourly", "0 0 0 0 0 0 0 0"] {
            let said = CronText::read(bad, NOW).unwrap_err().to_string();
            assert!(said.contains("six fields") && said.contains(bad), "{said}");
        }
        assert!(CronText::read(&"* ".repeat(80), NOW).is_err());
    }
}
