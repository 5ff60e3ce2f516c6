//! What changed since the last run of the same task: today's result held against the one that was shown then, and that one
//! against its own query run again, which tells what has been restated in between.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;
use domain::provenance;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    catalog::Catalog,
    conversation::{Conversation, failure},
    lexicon,
    plan::{Group, Plan, Shape},
    reader::Reading,
    sql::Statement,
    turn::{Step, query_arguments},
    understand,
    view::View,
    words,
};
use crate::{comparison::OUTCOME, model::TurnContext};

/// Longer results are not held against each other: what changed in them is no sentence.
const MOST_ROWS: u64 = 2_000;
/// How many rows of an outcome are named.
const MOST_NAMED: usize = 3;

/// What a run can say about the one before it.
pub(super) struct Since {
    /// When that was.
    then: Then,
    /// That run's result against today's.
    moved: Compared,
    /// That run's result against its query run again. None where nothing could have been restated apart from what moved.
    restated: Option<Compared>,
    /// The columns that name rows.
    key: Vec<String>,
    /// Whether they name points in time, so that rows come and go as the period moves on.
    is_in_time: bool,
    /// Whether only the first rows of more are shown, so that a row that is gone may be there still.
    is_cut: bool,
    /// The column that is compared, and how its figures are written; none for lists.
    measure: Option<(String, String)>,
}

/// A comparison as `compare_results` answered it.
struct Compared {
    view: View,
    counts: Counts,
}

#[derive(Deserialize)]
struct Counts {
    changed: usize,
    added: usize,
    gone: usize,
}

/// The ways to speak of an earlier day.
struct Then {
    /// "On Monday".
    adverb: String,
    /// "Monday's", before a figure.
    owner: String,
    /// "Monday's answer".
    answer: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Earlier {
    asked_at: DateTime<Utc>,
    question: String,
    results: Vec<EarlierResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EarlierResult {
    result: String,
    sql: String,
    row_count: u64,
    columns: Vec<domain::table::Column>,
}

/// Looks for the last run's result and holds it against today's. None where nothing can be compared; `Err` is the step that
/// must be taken first. `read_on` reads the question as on another day.
pub(super) fn look(
    conversation: &Conversation<'_>,
    context: &TurnContext,
    catalog: &Catalog,
    reading: &Reading,
    statements: &[Statement],
    views: &[View],
    read_on: &dyn Fn(NaiveDate) -> Option<Reading>,
) -> Result<Option<Since>, Step> {
    let (Some(question), [_], true) =
        (conversation.questions.last(), conversation.questions.as_slice(), context.is_task)
    else {
        return Ok(None);
    };
    // The headline of a comparison speaks of the whole, which comes last.
    let main = if matches!(reading.plan.shape, Shape::Comparison { .. }) { views.len() - 1 } else { 0 };
    let (Some(view), Some(statement)) = (views.get(main), statements.get(main)) else { return Ok(None) };
    if view.is_truncated || view.row_count > MOST_ROWS || view.row_count == 0 {
        return Ok(None);
    }
    let arguments = json!({ "limit": crate::tools::THREADS_MAX });
    let Some(told) = conversation.output("previous_threads", &arguments) else {
        return Err(Step::new("Looking at what I said before.", vec![("previous_threads", arguments)]));
    };
    let Some((asked_at, earlier)) = last_result(told, question, view) else { return Ok(None) };
    let measure = statement.measures.first().cloned();
    let mut key = statement.groups.clone();
    key.retain(|column| Some(column) != measure.as_ref());
    let hold_against = |after: &str| {
        let columns: Vec<&String> = measure.iter().collect();
        json!({ "before": earlier.result, "after": after, "key": key, "columns": columns })
    };
    let comparison = |after: &str| -> Result<Option<Compared>, Step> {
        let arguments = hold_against(after);
        match conversation.output("compare_results", &arguments) {
            Some(output) => Ok(Compared::read(output)),
            None => Err(Step::new("Comparing with last time.", vec![("compare_results", arguments)])),
        }
    };
    let Some(moved) = comparison(&view.handle)? else { return Ok(None) };
    let timezone: Tz = context.timezone.parse().unwrap_or(Tz::UTC);
    let day = |instant: DateTime<Utc>| instant.with_timezone(&timezone).date_naive();
    let is_in_time = is_in_time(&reading.plan.shape, catalog);
    let was_over = || read_on(day(asked_at)).is_some_and(|then| was_over(&then.plan, day(asked_at)));
    // Where the very same query ran, or its rows name their periods, what moved tells of restated values already. A period
    // that was still open went on to grow, which restates nothing.
    let restated = if is_in_time || earlier.sql == statement.sql || !was_over() {
        None
    } else {
        let again = query_arguments(catalog, &earlier.sql);
        match conversation.output("run_sql", &again) {
            None => {
                return Err(Step::new(
                    "Asking last time's question of today's data.",
                    vec![("run_sql", again)],
                ));
            }
            Some(output) if failure(output).is_some() => None,
            Some(output) => match View::read(output) {
                Some(view) => comparison(&view.handle)?,
                None => None,
            },
        }
    };
    let is_cut = matches!(
        &reading.plan.shape,
        Shape::Summary { rank: Some(_), .. } | Shape::Rows { limit: Some(_), .. }
    );
    Ok(Some(Since {
        then: Then::of(day(asked_at), day(context.now)),
        moved,
        restated,
        key,
        is_in_time,
        is_cut,
        measure: measure.map(|column| (column.clone(), view.format(&column))),
    }))
}

/// The newest earlier result of the same question with the same columns.
fn last_result(told: &Value, question: &str, view: &View) -> Option<(DateTime<Utc>, EarlierResult)> {
    let threads = told.get("threads")?.as_array()?;
    threads.iter().filter_map(|thread| Earlier::deserialize(thread).ok()).find_map(|thread| {
        let is_same_question = thread.question.trim() == question.trim();
        let fits = |result: &EarlierResult| {
            let names = result.columns.iter().map(|column| &column.name);
            !provenance::is_comparison(&result.sql)
                && result.row_count <= MOST_ROWS
                && names.eq(view.columns.iter().map(|(name, _)| name))
        };
        let found = thread.results.into_iter().filter(|_| is_same_question).find(fits)?;
        Some((thread.asked_at, found))
    })
}

/// Whether a plan asks about days that were over when a day began, and about no others.
fn was_over(plan: &Plan, day: NaiveDate) -> bool {
    let ranges = plan.ranges();
    !ranges.is_empty() && ranges.iter().all(|range| range.to.is_some_and(|to| to <= day))
}

fn is_in_time(shape: &Shape, catalog: &Catalog) -> bool {
    let is_time = |group: &Group| understand::is_time(group, catalog);
    match shape {
        Shape::Summary { groups, .. } | Shape::Values(groups) => groups.iter().any(is_time),
        Shape::Growth { .. } | Shape::Anomaly { .. } => true,
        Shape::Rows { .. } | Shape::Comparison { .. } => false,
    }
}

impl Compared {
    fn read(output: &Value) -> Option<Self> {
        Some(Self { view: View::read(output)?, counts: Counts::deserialize(output.get("counts")?).ok()? })
    }

    /// The rows shown that fared in a way.
    fn rows(&self, outcome: &str) -> Vec<usize> {
        let fared = |row: &usize| self.view.cell(*row, OUTCOME).and_then(Value::as_str) == Some(outcome);
        (0..self.view.rows.len()).filter(fared).collect()
    }
}

impl Then {
    fn of(day: NaiveDate, today: NaiveDate) -> Self {
        let weekday = lexicon::WEEKDAYS[day.weekday().num_days_from_monday() as usize];
        let (adverb, owner, answer) = match (today - day).num_days() {
            0 => ("Earlier today".to_owned(), "the earlier".to_owned(), "the earlier answer".to_owned()),
            1..=6 => (format!("On {weekday}"), format!("{weekday}'s"), format!("{weekday}'s answer")),
            7 => (format!("Last {weekday}"), format!("last {weekday}'s"), format!("last {weekday}'s answer")),
            _ => ("The time before".to_owned(), "the last".to_owned(), "the last answer".to_owned()),
        };
        Self { adverb, owner, answer }
    }
}

impl Since {
    /// The changes in markdown, each value a figure of the comparison.
    pub(super) fn told(&self) -> String {
        let mut said = match (self.key.is_empty(), &self.measure) {
            (true, Some((column, format))) => vec![self.single(column, format)],
            (true, None) => vec![],
            (false, measure) => self.grouped(measure.as_ref()),
        };
        said.extend(self.restatements());
        said.join("\n")
    }

    /// "On Monday it was 412; now it is 431, 4.6% more."
    fn single(&self, column: &str, format: &str) -> String {
        let view = &self.moved.view;
        let adverb = &self.then.adverb;
        match then_and_now(view, 0, column, format) {
            (Some(then), Some(_)) if self.moved.rows("changed").is_empty() => {
                format!("{adverb} it was the same: {then}.")
            }
            (Some(then), Some(now)) => {
                let by = moved_by(view, 0, column).map_or_else(String::new, |by| format!(", {by}"));
                format!("{adverb} it was {then}; now it is {now}{by}.")
            }
            (Some(then), None) => format!("{adverb} it was {then}; now there is none."),
            (None, Some(_)) => format!("{adverb} there was none."),
            (None, None) => format!("{adverb} there was none either."),
        }
    }

    fn grouped(&self, measure: Option<&(String, String)>) -> Vec<String> {
        let view = &self.moved.view;
        let mut said = Vec::new();
        if let Some((column, format)) = measure {
            for row in self.moved.rows("changed").into_iter().take(MOST_NAMED) {
                let values = then_and_now(view, row, column, format);
                if values == (None, None) {
                    continue;
                }
                let [then, now] = [values.0, values.1].map(|value| value.unwrap_or_else(|| "none".into()));
                let by = moved_by(view, row, column).map_or_else(String::new, |by| format!(" ({by})"));
                said.push(format!("- {}: {then} then, {now} now{by}", self.name(view, row)));
            }
        }
        if !said.is_empty() {
            said.insert(0, format!("Changed most since {}:\n", self.then.answer));
        }
        // Periods come and go as time moves on: that is no news.
        if !self.is_in_time {
            let gone = if self.is_cut { "No longer among them" } else { "No longer there" };
            for (outcome, count, word) in
                [("added", self.moved.counts.added, "New"), ("gone", self.moved.counts.gone, gone)]
            {
                let named: Vec<String> = self
                    .moved
                    .rows(outcome)
                    .into_iter()
                    .take(MOST_NAMED)
                    .map(|row| self.name(view, row))
                    .collect();
                if count == 0 {
                    continue;
                }
                let named = match (named.is_empty(), count > named.len()) {
                    // Rows that changed stand before them and take up all that is shown.
                    (true, _) => "some that are not among the rows shown".to_owned(),
                    (false, true) => format!("{} and others", named.join(", ")),
                    (false, false) => named.join(", "),
                };
                said.push(format!("\n{word} since then: {named}."));
            }
        }
        if said.is_empty() {
            let answer = words::capitalised(&self.then.answer);
            said.push(match self.moved.counts.changed {
                0 => format!("{answer} was the same, as far as it reached."),
                _ => format!("Some rows are not as they were in {}.", self.then.answer),
            });
        }
        said
    }

    /// "Restated since: Monday's 412 is now 431."
    fn restatements(&self) -> Vec<String> {
        let (Some(restated), Some((column, format))) = (&self.restated, &self.measure) else {
            return Vec::new();
        };
        let view = &restated.view;
        let mut said = Vec::new();
        for row in restated.rows("changed").into_iter().take(MOST_NAMED) {
            let values = then_and_now(view, row, column, format);
            if values == (None, None) {
                continue;
            }
            let [then, now] = [values.0, values.1].map(|value| value.unwrap_or_else(|| "none".into()));
            let of =
                if self.key.is_empty() { String::new() } else { format!(" of {}", self.name(view, row)) };
            said.push(format!("\nRestated since: {} {then}{of} is now {now}.", self.then.owner));
        }
        said
    }

    fn name(&self, view: &View, row: usize) -> String {
        self.key.iter().map(|column| view.label(row, column)).collect::<Vec<_>>().join(", ")
    }
}

/// "4.6% more", where the value before is a base to reckon from.
fn moved_by(view: &View, row: usize, column: &str) -> Option<String> {
    let (before, after) = (format!("{column}_before"), format!("{column}_after"));
    let (then, now) = (view.number(row, &before)?, view.number(row, &after)?);
    if then <= 0.0 || now < 0.0 {
        return None;
    }
    let cell = |column: &str| view.at(row, column);
    let (more, less, word) = if now >= then { (&after, &before, "more") } else { (&before, &after, "less") };
    Some(format!("{{{{ratio(delta({},{}),{})|percent:1}}}} {word}", cell(more), cell(less), cell(&before)))
}

/// The figures of a compared column before and after, both with the decimals that either needs; none for an empty cell.
fn then_and_now(view: &View, row: usize, column: &str, format: &str) -> (Option<String>, Option<String>) {
    let (before, after) = (format!("{column}_before"), format!("{column}_after"));
    let format = [&before, &after]
        .iter()
        .fold(format.to_owned(), |format, column| View::finer(format, view.format(column)));
    let figure = |column: &str| {
        view.cell(row, column)?;
        Some(format!("{{{{{}|{format}}}}}", view.at(row, column)))
    };
    (figure(&before), figure(&after))
}
