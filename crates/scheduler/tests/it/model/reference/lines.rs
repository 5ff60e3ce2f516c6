//! What is compared.

use super::Reference;
use crate::model::calendar::Instant;

impl Reference {
    /// The task, its next occurrence, its runs and what its creator was told, as far as they were unfinished at `from` or came
    /// to be after it: one sorted line each.
    pub(in crate::model) fn lines(&self, from: Instant) -> Vec<String> {
        let mut lines =
            vec![format!("task {}{}", self.status, if self.is_deleted { " deleted" } else { "" })];
        if let Some(next) = self.next() {
            let due_at = (next.opens_at + self.offset).timestamp_millis();
            lines.push(format!("next {} {} due {due_at}", next.date, next.opens_at.timestamp()));
        }
        for run in self.runs.iter().filter(|run| run.finished_at.is_none_or(|at| at >= from)) {
            let of = run.occurrence.map_or(run.trigger.to_owned(), |occurrence| {
                format!("{} {}", occurrence.date, occurrence.opens_at.timestamp())
            });
            let reason = run.reason.filter(|_| !matches!(run.status, "queued" | "running"));
            let reason = reason.map_or(String::new(), |reason| format!(" {reason}"));
            let found = run.message.filter(|_| reason == " stale_data");
            let found = found.map_or(String::new(), |found| format!(" {found}"));
            let late = if run.late { " late" } else { "" };
            lines.push(format!("run {of} {}{reason}{found}{late} attempt {}", run.status, run.attempt));
        }
        lines.extend(self.credits.map(|left| format!("credits {left}")));
        for told in self.told.iter().filter(|told| told.withheld_at.unwrap_or(told.at) >= from) {
            let state = told.withheld_at.map_or("pending", |_| "withheld");
            lines.push(format!("told {} {state}", told.what));
        }
        lines.sort();
        lines
    }
}
