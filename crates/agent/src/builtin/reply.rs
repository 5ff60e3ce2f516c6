//! Results as an answer: a headline that says the finding, a short body, and how the question was understood.

use chrono::NaiveDate;
use domain::{condition::Condition, table::ColumnType};
use serde_json::{Value, json};

use super::{
    catalog::Catalog,
    lexicon::{self, Direction},
    phrase::Phrases,
    plan::{Aggregate, Filter, Group, Measure, Rank, Relation, Shape},
    reader::Reading,
    since::Since,
    sql::Statement,
    view::View,
    words,
};

/// The most rows that the body lists.
const MOST_LISTED: usize = 10;
/// From how many standard deviations on a day stands out.
const ODD_DEVIATIONS: f64 = 3.0;
/// By how much at least a day that stands out differs from what is usual.
const ODD_CHANGE: f64 = 0.15;

/// The arguments of `answer`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Draft {
    /// The finding.
    pub headline: String,
    /// Markdown.
    pub body: String,
    /// Handles of results to show.
    pub results: Vec<String>,
    /// Handles of charts to show.
    pub charts: Vec<String>,
    /// Where it asks back: the questions to choose from.
    pub choices: Vec<String>,
    /// What the reader should know.
    pub caveats: Vec<String>,
    /// The result and column that a task's condition is about, where it has one.
    pub check: Option<(String, Option<String>)>,
}

impl Draft {
    /// An answer without data.
    pub(super) fn refusal(headline: &str, body: &str) -> Self {
        Self { headline: headline.to_owned(), body: body.to_owned(), ..Self::default() }
    }

    /// Leaves out the comment after one failure, the finding as well after two.
    pub(super) fn simplify(&mut self, failures: usize) {
        if failures > 0 {
            self.body.clear();
            self.caveats.clear();
        }
        if failures > 1 {
            self.headline = String::from("The result of the query is below.");
        }
    }

    /// As arguments of the tool.
    pub(super) fn into_arguments(self) -> Value {
        let mut arguments = json!({
            "headline": self.headline,
            "body": self.body,
            "results": self.results,
            "charts": self.charts,
            "caveats": self.caveats,
        });
        if !self.choices.is_empty() {
            arguments["choices"] = json!(self.choices);
        }
        if let Some((result, column)) = self.check {
            arguments["check"] = json!({ "result": result, "column": column });
        }
        arguments
    }
}

/// All that an answer is made from.
pub(super) struct Outcome<'a> {
    pub catalog: &'a Catalog,
    pub reading: &'a Reading,
    pub statements: &'a [Statement],
    /// The results of the statements, in order.
    pub views: &'a [View],
    /// The results of what was looked up after them.
    pub closer: &'a [View],
    /// What the last run of the same task found, against this one.
    pub since: Option<&'a Since>,
    pub today: NaiveDate,
}

impl Outcome<'_> {
    fn groups_of(&self, row: usize) -> String {
        let labels: Vec<String> =
            self.statements[0].groups.iter().map(|group| self.views[0].label(row, group)).collect();
        labels.join(", ")
    }
}

/// The answer to a question that was understood and queried.
pub(super) fn compose(outcome: &Outcome<'_>) -> Draft {
    let phrases = Phrases::new(outcome.catalog, outcome.reading);
    let view = &outcome.views[0];
    let mut draft = match &outcome.reading.plan.shape {
        Shape::Summary { groups, measures, having, rank, with_share, only_count, .. } => {
            let finding = Finding {
                groups,
                measures,
                having,
                rank: *rank,
                with_share: *with_share,
                only_count: *only_count,
            };
            summary(outcome, &phrases, &finding)
        }
        Shape::Rows { order, .. } => rows(outcome, &phrases, order.is_some()),
        Shape::Values(groups) => values(outcome, &phrases, groups),
        Shape::Comparison { .. } => super::change::comparison(outcome, &phrases),
        Shape::Growth { measure, .. } => super::change::growth(outcome, &phrases, measure),
        Shape::Anomaly { .. } => super::change::anomaly(outcome, &phrases),
    };
    let since = outcome.since.map(Since::told).unwrap_or_default();
    let paragraphs = [std::mem::take(&mut draft.body), since, phrases.understood()];
    draft.body = paragraphs.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n");
    if draft.results.is_empty() {
        draft.results = vec![view.handle.clone()];
    }
    caveats(outcome, &mut draft);
    draft
}

/// What a task's condition is about: the first measure of the main result, or the column that the condition pins. None where
/// the result has no such column: the rule of the loop decides then.
pub(super) fn checked(outcome: &Outcome<'_>, condition: &Condition) -> Option<(String, Option<String>)> {
    let view = outcome.views.first()?;
    let measure = outcome.statements.first().and_then(|statement| statement.measures.first());
    let column = condition.column().or(measure.map(String::as_str));
    if !condition.needs_value() {
        return Some((view.handle.clone(), None));
    }
    let is_numeric = column.and_then(|column| view.kind(column)).is_some_and(ColumnType::is_numeric);
    is_numeric.then(|| (view.handle.clone(), column.map(str::to_owned)))
}

struct Finding<'a> {
    groups: &'a [Group],
    measures: &'a [Measure],
    having: &'a [(Measure, Relation, f64)],
    rank: Option<Rank>,
    with_share: bool,
    only_count: bool,
}

fn summary(outcome: &Outcome<'_>, phrases: &Phrases<'_>, finding: &Finding<'_>) -> Draft {
    let view = &outcome.views[0];
    let statement = &outcome.statements[0];
    let scope = phrases.scope();
    let measure = &finding.measures[0];
    let what = phrases.measure(measure);
    let column = &statement.measures[0];
    if finding.only_count {
        let value = view.figure(0, column);
        let headline = format!(
            "{value} {} {}{scope}.",
            phrases.group_plural(finding.groups),
            phrases.having(finding.having)
        );
        return Draft { headline, ..Draft::default() };
    }
    if finding.groups.is_empty() {
        return single(outcome, phrases, finding);
    }
    if view.row_count == 0 {
        return Draft::refusal(&format!("No {} match{scope}.", phrases.rows()), "");
    }
    let mut draft = Draft { body: listed(outcome, finding.with_share), ..Draft::default() };
    let leader = leaders(outcome, column);
    let value = view.figure(0, column);
    let is_time = super::understand::is_time(&finding.groups[0], outcome.catalog);
    let things = phrases.group_plural(finding.groups);
    let count = format!("{{{{count({})|number:0}}}}", view.handle);
    let first_end =
        if super::understand::rises(finding.measures) { Direction::Least } else { Direction::Most };
    draft.headline = if finding.with_share {
        let share = statement.measures.last().map_or_else(String::new, |share| view.figure(0, share));
        let leader = if is_time {
            best_row(view, column, Direction::Most).map_or(leader, |row| outcome.groups_of(row))
        } else {
            leader
        };
        format!("{leader} had the largest share of {what}{scope}: {share}.")
    } else if let Some(rank) = finding.rank {
        format!(
            "{leader} had the {} {}{scope}: {value}.",
            superlative(measure, rank.direction),
            phrases.ranked(measure)
        )
    } else if !finding.having.is_empty() {
        format!("{count} {things} {}{scope}, led by {leader} with {value}.", phrases.having(finding.having))
    } else if is_time && view.row_count == 2 {
        two_periods(outcome, phrases, column)
    } else if is_time && view.row_count <= view.rows.len() as u64 && finding.groups.len() <= 2 {
        match (best_row(view, column, Direction::Most), best_row(view, column, Direction::Least)) {
            (Some(most), Some(least)) if most != least => format!(
                "{}{scope} peaked in {} at {} and was lowest in {} at {}.",
                words::capitalised(&what),
                outcome.groups_of(most),
                view.figure(most, column),
                outcome.groups_of(least),
                view.figure(least, column)
            ),
            _ => format!("{}{scope}, by {things}.", words::capitalised(&what)),
        }
    } else if let Some(whole) = outcome.views.get(1).filter(|whole| whole.row_count > 0) {
        // Beside the series stand the totals of its other groups.
        let names: Vec<String> =
            outcome.statements[1].groups.iter().map(|group| whole.label(0, group)).collect();
        let value = outcome.statements[1]
            .measures
            .first()
            .map_or_else(String::new, |measure| whole.figure(0, measure));
        format!(
            "{} had the {} {}{scope}: {value}.",
            names.join(", "),
            superlative(measure, Direction::Most),
            phrases.ranked(measure)
        )
    } else if is_time {
        let steps = plural(&phrases.group_single(&finding.groups[..1]));
        match measure {
            Measure::Rows | Measure::Of(Aggregate::Sum, _) => {
                format!(
                    "{}{scope} came to {{{{sum({}.{column})|{}}}}} over {count} {steps}.",
                    words::capitalised(&what),
                    view.handle,
                    view.format(column)
                )
            }
            _ => format!("{}{scope} over {count} {steps}, starting at {value}.", words::capitalised(&what)),
        }
    } else if view.row_count == 1 {
        format!("{leader}: {what}{scope} of {value}.")
    } else if finding.measures.len() > 1 {
        let list: Vec<String> = finding
            .measures
            .iter()
            .zip(&statement.measures)
            .map(|(measure, column)| format!("{} {}", phrases.measure(measure), view.figure(0, column)))
            .collect();
        format!("{count} {things}{scope}, with {leader} first: {}.", list.join(", "))
    } else {
        format!(
            "{leader} had the {} {}{scope}, of {count} {things}: {value}.",
            superlative(measure, first_end),
            phrases.ranked(measure)
        )
    };
    draft
}

/// The first group, with those that share its value.
fn leaders(outcome: &Outcome<'_>, column: &str) -> String {
    let view = &outcome.views[0];
    let first = view.number(0, column);
    let tied =
        (0..view.rows.len()).take_while(|row| first.is_some() && view.number(*row, column) == first).count();
    let mut names: Vec<String> = (0..tied.clamp(1, 3)).map(|row| outcome.groups_of(row)).collect();
    match (tied, names.pop()) {
        (4.., Some(last)) => format!("{}, {last} and others", names.join(", ")),
        (_, Some(last)) if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        (_, last) => last.unwrap_or_default(),
    }
}

/// "December had 28,135 flights, 3.2% more than November".
fn two_periods(outcome: &Outcome<'_>, phrases: &Phrases<'_>, column: &str) -> String {
    let view = &outcome.views[0];
    let (first, second) = (outcome.groups_of(0), outcome.groups_of(1));
    let (before, after) = (view.number(0, column), view.number(1, column));
    let (earlier, later) = (view.figure(0, column), view.figure(1, column));
    let what = words::capitalised(&phrases.measure_of(outcome.reading));
    let cell = |row: usize| view.at(row, column);
    match before.zip(after) {
        Some((before, after)) if before > 0.0 && after > before => {
            format!(
                "{what} rose {{{{ratio(delta({b},{a}),{a})|percent:1}}}} from {first} ({earlier}) to {second} ({later}).",
                a = cell(0),
                b = cell(1)
            )
        }
        Some((before, after)) if before > 0.0 && after < before => {
            format!(
                "{what} fell {{{{ratio(delta({a},{b}),{a})|percent:1}}}} from {first} ({earlier}) to {second} ({later}).",
                a = cell(0),
                b = cell(1)
            )
        }
        _ => format!("{what}: {earlier} in {first}, {later} in {second}."),
    }
}

fn single(outcome: &Outcome<'_>, phrases: &Phrases<'_>, finding: &Finding<'_>) -> Draft {
    let view = &outcome.views[0];
    let statement = &outcome.statements[0];
    let scope = phrases.scope();
    let column = &statement.measures[0];
    let value = view.figure(0, column);
    let number = view.number(0, column);
    let headline = match &finding.measures[0] {
        _ if view.cell(0, column).is_none() => {
            format!(
                "There is no {} to tell{scope}: no row has a value.",
                phrases.measure(&finding.measures[0])
            )
        }
        Measure::Rows if number == Some(0.0) => format!("There were no {}{scope}.", phrases.rows()),
        Measure::Rows => format!("There were {value} {}{scope}.", phrases.rows()),
        Measure::Distinct(_) => {
            format!("There are {value} {}{scope}.", phrases.measure(&finding.measures[0]))
        }
        Measure::ShareOfRows(parts) => {
            let (matching, all) =
                (view.figure(0, &statement.measures[1]), view.figure(0, &statement.measures[2]));
            let which = phrases.scope_of(parts);
            format!("{value} of {}{scope} are{which}: {matching} of {all}.", phrases.rows())
                .replace(" are with ", " have ")
                .replace(" are without ", " have no ")
        }
        Measure::ShareOfSum(column, parts) => {
            format!(
                "Rows{} account for {value} of {}{scope}.",
                phrases.scope_of(parts),
                phrases.column(column)
            )
        }
        measure => format!("The {}{scope} was {value}.", phrases.measure(measure)),
    };
    let mut body = String::new();
    if finding.measures.len() > 1 {
        let lines: Vec<String> = finding
            .measures
            .iter()
            .zip(&statement.measures)
            .map(|(measure, column)| {
                format!("- {}: {}", words::capitalised(&phrases.measure(measure)), view.figure(0, column))
            })
            .collect();
        body = lines.join("\n");
    }
    Draft { headline, body, ..Draft::default() }
}

fn rows(outcome: &Outcome<'_>, phrases: &Phrases<'_>, is_ranked: bool) -> Draft {
    let view = &outcome.views[0];
    let statement = &outcome.statements[0];
    let scope = phrases.scope();
    if view.row_count == 0 {
        return Draft::refusal(&format!("There are no {}{scope}.", phrases.rows()), "");
    }
    let base = outcome.reading.plan.table(outcome.catalog);
    let is_pair = base.display().is_none() && base.first_name_pair().is_some();
    let names: Vec<String> =
        statement.groups.iter().take(1 + usize::from(is_pair)).map(|column| view.label(0, column)).collect();
    let leader = names.join(" ");
    let count = format!("{{{{count({})|number:0}}}}", view.handle);
    let headline = match (&outcome.reading.plan.shape, statement.measures.first()) {
        (Shape::Rows { order: Some((column, direction)), .. }, Some(measure)) => {
            let extreme = if *direction == Direction::Most { "highest" } else { "lowest" };
            let info = column.info(outcome.catalog);
            let is_time = info.kind.is_temporal() || info.parts.last().is_some_and(|last| last == "year");
            let extreme = if is_time && *direction == Direction::Most {
                "latest"
            } else if is_time {
                "earliest"
            } else {
                extreme
            };
            format!(
                "{leader} has the {extreme} {}{scope}: {}.",
                phrases.column(column),
                view.figure(0, measure)
            )
        }
        _ if view.row_count == 1 => format!("{leader} is the only one of the {}{scope}.", phrases.rows()),
        _ if scope.is_empty() => format!("There are {count} {}.", phrases.rows()),
        _ => format!("{count} {} are{scope}.", phrases.rows())
            .replace(" are with ", " have ")
            .replace(" are without ", " have no "),
    };
    let body = if view.row_count > 1 && is_ranked { listed(outcome, false) } else { String::new() };
    Draft { headline, body, ..Draft::default() }
}

fn values(outcome: &Outcome<'_>, phrases: &Phrases<'_>, groups: &[Group]) -> Draft {
    let view = &outcome.views[0];
    let scope = phrases.scope();
    let things = phrases.group_plural(groups);
    let headline = match view.row_count {
        0 => format!("There are no {things}{scope}."),
        1 => format!("The {}{scope} is {}.", phrases.group_single(groups), outcome.groups_of(0)),
        _ if scope.starts_with(" with ") => {
            format!(
                "{{{{count({})|number:0}}}} {things} have{}.",
                view.handle,
                scope.trim_start_matches(" with")
            )
        }
        _ => format!("There are {{{{count({})|number:0}}}} different {things}{scope}.", view.handle),
    };
    let mut body = String::new();
    if view.row_count > 1 && view.row_count <= 20 {
        let lines: Vec<String> =
            (0..view.rows.len()).map(|row| format!("- {}", outcome.groups_of(row))).collect();
        body = lines.join("\n");
    }
    Draft { headline, body, ..Draft::default() }
}

/// The first rows as a list.
fn listed(outcome: &Outcome<'_>, with_share: bool) -> String {
    let view = &outcome.views[0];
    let statement = &outcome.statements[0];
    if view.row_count < 2 {
        return String::new();
    }
    let few = view.row_count as usize <= MOST_LISTED + 2;
    let shown = if few { view.rows.len() } else { MOST_LISTED / 2 };
    let is_ordered = matches!(
        &outcome.reading.plan.shape,
        Shape::Summary { rank: Some(_), .. } | Shape::Rows { order: Some(_), .. }
    );
    let is_part_of_rows = matches!(&outcome.reading.plan.shape, Shape::Summary { measures, .. } if matches!(measures.as_slice(), [Measure::ShareOfRows(_)]));
    let mut lines = Vec::new();
    let measures: Vec<&String> =
        statement.measures.iter().filter(|measure| !with_share || *measure != "share").collect();
    let columns: Vec<&String> = statement.groups.iter().filter(|group| !measures.contains(group)).collect();
    for row in 0..shown.min(view.rows.len()) {
        let labels: Vec<String> = columns.iter().map(|column| view.label(row, column)).collect();
        let values: Vec<String> = measures.iter().map(|measure| view.figure(row, measure)).collect();
        let values = match (is_part_of_rows, values.as_slice()) {
            (true, [share, matching, all, ..]) => format!("{share} ({matching} of {all})"),
            _ => values.join(", "),
        };
        let share = if with_share { format!(" ({})", view.figure(row, "share")) } else { String::new() };
        let mark = if is_ordered { format!("{}.", row + 1) } else { "-".to_owned() };
        lines.push(format!("{mark} {}: {values}{share}", labels.join(", ")));
    }
    if !few {
        lines.push(format!(
            "\n… and more: all {{{{count({})|number:0}}}} rows are in the table below.",
            view.handle
        ));
    }
    lines.join("\n")
}

/// The row with the greatest or least value among those shown.
pub(super) fn best_row(view: &View, column: &str, direction: Direction) -> Option<usize> {
    let numbers = (0..view.rows.len()).filter_map(|row| Some((view.number(row, column)?, row)));
    match direction {
        Direction::Most => numbers.reduce(|best, next| if next.0 > best.0 { next } else { best }),
        Direction::Least => numbers.reduce(|best, next| if next.0 < best.0 { next } else { best }),
    }
    .map(|(_, row)| row)
}

fn superlative(measure: &Measure, direction: Direction) -> &'static str {
    let is_count = matches!(measure, Measure::Rows | Measure::Distinct(_));
    match (is_count, direction) {
        (true, Direction::Most) => "most",
        (true, Direction::Least) => "fewest",
        (false, Direction::Most) => "highest",
        (false, Direction::Least) => "lowest",
    }
}

/// The day of an anomaly check that stands out most, if one does.
pub(super) fn oddest_day(view: &View) -> Option<String> {
    let odd = (0..view.rows.len()).filter_map(|row| {
        let deviations = view.number(row, "deviations")?.abs();
        let change = view.number(row, "change_from_usual")?.abs();
        (deviations >= ODD_DEVIATIONS && change >= ODD_CHANGE).then_some((deviations, row))
    });
    let (_, row) = odd.max_by(|left, right| left.0.total_cmp(&right.0))?;
    Some(view.cell(row, "day")?.as_str()?.to_owned())
}

fn caveats(outcome: &Outcome<'_>, draft: &mut Draft) {
    draft.caveats.extend(outcome.reading.assumptions.iter().cloned());
    let unused: Vec<String> = outcome
        .reading
        .unused
        .iter()
        .filter(|word| !lexicon::is_neutral(word))
        .map(|word| format!("“{word}”"))
        .collect();
    if !unused.is_empty() {
        draft.caveats.push(format!("I had no use for {}.", unused.join(", ")));
    }
    if outcome.views.iter().any(|view| view.is_truncated) {
        draft.caveats.push("The result was cut at its limit, so rows are missing at the end.".into());
    }
    let period_end = match &outcome.reading.plan.shape {
        Shape::Comparison { periods, .. } => periods.current.to,
        _ => outcome.reading.plan.filters.iter().find_map(|filter| match filter {
            Filter::Time(_, range) => range.to,
            _ => None,
        }),
    };
    if let Some(extent) = outcome.closer.iter().find(|view| view.kind("latest").is_some())
        && let Some(latest) = extent
            .cell(0, "latest")
            .and_then(Value::as_str)
            .and_then(|day| day.get(..10)?.parse::<NaiveDate>().ok())
    {
        let wanted = period_end.unwrap_or(outcome.today).min(outcome.today);
        if latest.succ_opt().is_some_and(|after| after < wanted) {
            draft.caveats.push(format!(
                "The data end on {}, before the period that you asked about does.",
                extent.figure(0, "latest")
            ));
        }
    }
}

/// A noun in the plural.
pub(super) fn plural(noun: &str) -> String {
    if noun.ends_with("us") {
        return format!("{noun}es");
    }
    if words::singular(noun) != noun || noun.ends_with('s') {
        return noun.to_owned();
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if noun.ends_with("ch") || noun.ends_with("sh") || noun.ends_with('x') => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}
