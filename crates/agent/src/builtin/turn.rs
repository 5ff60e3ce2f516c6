//! One turn, step by step: search, describe, look up, query, draw, answer. Each step asks for what the conversation does
//! not hold yet.

use chrono_tz::Tz;
use domain::step::ToolCall;
use serde_json::{Value, json};

use super::{
    catalog::{Catalog, Dialect, TableInfo, bare_name},
    chart, clarify,
    conversation::{Conversation, failure},
    draft, links,
    mention::{Scores, ValueMatch},
    plan::{Filter, Shape},
    probe::{self, Span},
    reader::{Question, Reading},
    refusal,
    reply::{self, Draft, Outcome},
    since,
    sql::{self, Statement},
    understand, verified,
    view::View,
    words,
};
use crate::model::{Message, ModelReply, ToolSpec, TurnContext};

/// The most tables that are described for one question.
const MOST_TABLES: usize = 12;
/// The most guessed links that are put to the test.
const MOST_GUESSES: usize = 16;

/// What comes next: tools to call, and a word about why.
pub(super) struct Step {
    text: String,
    calls: Vec<(&'static str, Value)>,
}

impl Step {
    pub(super) fn new(text: impl Into<String>, calls: Vec<(&'static str, Value)>) -> Self {
        Self { text: text.into(), calls }
    }

    pub(super) fn answer(draft: Draft) -> Self {
        Self::new("", vec![("answer", draft.into_arguments())])
    }
}

/// The next reply of the analyst.
pub(super) fn reply(messages: &[Message], tools: &[ToolSpec]) -> ModelReply {
    // On the last step nothing but an answer is taken.
    let is_last = !tools.is_empty() && tools.iter().all(|tool| tool.name == "answer");
    let conversation = Conversation::read(messages, is_last);
    let mut step = match draft::step(&conversation, tools) {
        Some(step) => step,
        None => match work(&conversation) {
            Ok(step) | Err(step) => step,
        },
    };
    if is_last && step.calls.iter().any(|(name, _)| *name != "answer") {
        step = Step::answer(Draft::refusal("I ran out of steps before I had an answer.", ""));
    }
    let made = conversation.call_count();
    let tool_calls = step
        .calls
        .into_iter()
        .enumerate()
        .map(|(index, (name, arguments))| ToolCall {
            id: format!("b{}", made + index + 1),
            name: name.to_owned(),
            arguments,
        })
        .collect();
    ModelReply { text: step.text, tool_calls, tokens_in: 0, tokens_out: 0 }
}

/// Does as much as the conversation allows. `Err` is the step that must be taken first.
fn work(conversation: &Conversation<'_>) -> Result<Step, Step> {
    let Some(context) = conversation.context else {
        return Err(Step::answer(Draft::refusal("I was given no connection to ask.", "")));
    };
    let text = effective_question(&draft::asked(&conversation.questions), context);
    let offered = offered(context);
    if offered.is_empty() {
        return Err(Step::answer(Draft::refusal(
            "There is no data connection that I may query.",
            "Add a connection under Data, or name one in the question with @.",
        )));
    }
    let search = search(conversation, &text, &offered)?;
    if let Some(draft) = verified::answer(conversation, search, &offered)? {
        return Ok(Step::answer(draft));
    }
    let catalog = catalog(conversation, search, &text, &offered)?;
    let timezone: Tz = context.timezone.parse().unwrap_or(Tz::UTC);
    let today = context.now.with_timezone(&timezone).date_naive();
    let question = Question::new(&text, today);
    let scores = Scores::new(&catalog, &question.tokens, &|at| question.may_name(at));
    let spans = probe::spans(&question, &scores, &catalog);
    let (values, links) = look_up(conversation, &catalog, &question, &scores, &spans)?;
    let Some(reading) = understand::understand(&catalog, &question, &links, &values) else {
        return Err(Step::answer(refusal::cannot_tell(&catalog, &question, &scores)));
    };
    if let Some(missing) = missing_value(&question, &spans, &values, &reading) {
        return Err(Step::answer(refusal::value_not_found(&catalog, &missing)));
    }
    if let Some(word) = &reading.unknown {
        return Err(Step::answer(refusal::unknown_word(&catalog, &reading, word)));
    }
    let is_first_try = conversation.rejected_answers() == 0;
    let may_ask = is_first_try && !context.is_task && !conversation.is_choice;
    if let Some(back) = clarify::ask(&question, &reading).filter(|_| may_ask) {
        return Err(Step::answer(back));
    }
    let statements = sql::statements(&catalog, &reading.plan, timezone);
    let main = run(conversation, &catalog, &statements, "Running the query.")?;
    let mut views: Vec<View> = Vec::new();
    for output in &main {
        let Some(view) = View::read(output) else {
            let reason = failure(output).unwrap_or("the query gave no rows to read");
            return Err(Step::answer(refusal::query_failed(reason)));
        };
        views.push(view);
    }
    let follow_up = follow_up(&catalog, &reading, &views, timezone);
    let more = match run(conversation, &catalog, &follow_up, "Looking closer.") {
        Err(_) if conversation.is_last => Vec::new(),
        more => more?,
    };
    let closer: Vec<View> = more.iter().filter_map(|output| View::read(output)).collect();
    let read_on = |day| understand::understand(&catalog, &Question::new(&text, day), &links, &values);
    let since = match since::look(conversation, context, &catalog, &reading, &statements, &views, &read_on) {
        Err(_) if conversation.is_last => None,
        since => since?,
    };
    let outcome = Outcome {
        catalog: &catalog,
        reading: &reading,
        statements: &statements,
        views: &views,
        closer: &closer,
        since: since.as_ref(),
        today,
    };
    let charts = draw(conversation, &outcome)?;
    let mut draft = reply::compose(&outcome);
    draft.charts = charts;
    draft.caveats.extend(verified::caveats(search));
    draft.check = context.condition.as_ref().and_then(|condition| reply::checked(&outcome, condition));
    // An answer that was not accepted is said more plainly: first without the comment, then without the finding.
    draft.simplify(conversation.rejected_answers());
    Ok(Step::answer(draft))
}

/// The connections that may be used: those named, if any is.
fn offered(context: &TurnContext) -> Vec<&crate::model::ContextConnection> {
    let named: Vec<_> = context.connections.iter().filter(|connection| connection.is_named).collect();
    if named.is_empty() { context.connections.iter().collect() } else { named }
}

/// The question to answer: the last one, put behind the one before where it only goes on from it. Names of connections are
/// left out.
pub(super) fn effective_question(questions: &[String], context: &TurnContext) -> String {
    let mut text = String::new();
    for question in questions {
        let stripped = without_connections(question, context);
        let first: Vec<String> =
            words::tokenise(&stripped).into_iter().take(2).map(|token| token.lower).collect();
        let first: Vec<&str> = first.iter().map(String::as_str).collect();
        let goes_on = matches!(
            first.as_slice(),
            ["and" | "only" | "now" | "same" | "by" | "per" | "also" | "just" | "but", ..]
                | ["what" | "how", "about"]
        );
        let stripped = without_schedule(&stripped);
        text = if goes_on && !text.is_empty() {
            format!("{} {stripped}", text.trim_end_matches(['?', '.', '!', ' ']))
        } else {
            stripped
        };
    }
    text
}

/// "Every Monday, …": when a task runs is no part of its question.
fn without_schedule(question: &str) -> String {
    let lower = question.to_lowercase();
    let opens = ["every ", "each "].iter().any(|opening| lower.starts_with(opening));
    match question.split_once([',', ':']) {
        Some((before, rest)) if opens && before.split_whitespace().count() <= 6 => rest.trim().to_owned(),
        _ => question.to_owned(),
    }
}

fn without_connections(question: &str, context: &TurnContext) -> String {
    let mut text = question.to_owned();
    for connection in context.connections.iter().filter(|connection| connection.is_named) {
        for written in [format!("@{}", connection.name), connection.name.clone()] {
            let Some(at) = text.find(&written) else { continue };
            let before = text[..at].trim_end();
            let kept = [" in", " from", " on", " of", " using", "In", "From", "Using"]
                .iter()
                .find_map(|preposition| before.strip_suffix(preposition))
                .unwrap_or(before);
            text = format!("{kept} {}", text[at + written.len()..].trim_start_matches([',', ':']));
            break;
        }
    }
    text.trim().to_owned()
}

/// What the search of the catalog found.
fn search<'a>(
    conversation: &Conversation<'a>,
    text: &str,
    offered: &[&crate::model::ContextConnection],
) -> Result<&'a Value, Step> {
    let mut arguments = json!({ "query": text });
    if let [only] = offered {
        arguments["connectionId"] = json!(only.id);
    }
    let Some(found) = conversation.output("search_catalog", &arguments) else {
        return Err(Step::new(
            "Looking for the tables that this is about.",
            vec![("search_catalog", arguments)],
        ));
    };
    if let Some(reason) = failure(found) {
        return Err(Step::answer(Draft::refusal("I could not read the catalog of the data.", reason)));
    }
    Ok(found)
}

/// The tables of the connection that fits the question best.
fn catalog(
    conversation: &Conversation<'_>,
    found: &Value,
    text: &str,
    offered: &[&crate::model::ContextConnection],
) -> Result<Catalog, Step> {
    let tables: Vec<Found> = found
        .get("tables")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Found::read)
        .filter(|table| offered.iter().any(|connection| connection.id.to_string() == table.connection_id))
        .collect();
    let Some(chosen) = best_connection(&tables, text) else {
        return Err(Step::answer(Draft::refusal(
            "I found no table to answer from.",
            "The connections offered hold no tables, or none that may be queried.",
        )));
    };
    let mut outputs: Vec<&Value> = Vec::new();
    let mut wanted: Vec<(&'static str, Value)> = Vec::new();
    for table in &chosen {
        let arguments = json!({ "connectionId": table.connection_id, "table": table.name });
        match conversation.output("describe_table", &arguments) {
            Some(output) => outputs.push(output),
            None => wanted.push(("describe_table", arguments)),
        }
    }
    if !wanted.is_empty() {
        let names: Vec<String> = chosen.iter().map(|table| bare_name(&table.name)).collect();
        return Err(Step::new(format!("Reading the columns of {}.", names.join(", ")), wanted));
    }
    let described: Vec<TableInfo> = outputs.into_iter().filter_map(TableInfo::read).collect();
    let first = chosen[0];
    if described.is_empty() {
        return Err(Step::answer(Draft::refusal("I could not read the columns of any table.", "")));
    }
    Ok(Catalog {
        connection_id: first.connection_id.clone(),
        dialect: if first.dialect == "postgres" { Dialect::Postgres } else { Dialect::DuckDb },
        tables: described,
    })
}

/// A table as the search told of it.
struct Found {
    connection_id: String,
    dialect: String,
    name: String,
    columns: Vec<String>,
}

impl Found {
    fn read(table: &Value) -> Option<Self> {
        let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
        let columns = table.get("columns").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            connection_id: text("connectionId")?,
            dialect: text("dialect")?,
            name: text("table")?,
            columns: columns.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// How many of the question's words its names account for.
    fn relevance(&self, tokens: &[words::Token]) -> f64 {
        let mut names = vec![(1.5, words::name_parts(&bare_name(&self.name)))];
        names.extend(self.columns.iter().map(|column| (1.0, words::name_parts(column))));
        tokens
            .iter()
            .filter(|token| !super::lexicon::is_stop_word(&token.lower))
            .map(|token| {
                let fit = |(weight, parts): &(f64, Vec<String>)| {
                    weight
                        * parts.iter().map(|part| words::word_score(&token.lower, part)).fold(0.0, f64::max)
                };
                names.iter().map(fit).fold(0.0, f64::max)
            })
            .sum()
    }
}

/// The tables of the connection with the most to say, the most relevant first, at most [`MOST_TABLES`].
fn best_connection<'a>(tables: &'a [Found], text: &str) -> Option<Vec<&'a Found>> {
    let tokens = words::tokenise(text);
    let scored: Vec<(f64, &Found)> = tables.iter().map(|table| (table.relevance(&tokens), table)).collect();
    let mut best: Option<(f64, &str)> = None;
    for (_, table) in &scored {
        let of_connection = scored.iter().filter(|(_, other)| other.connection_id == table.connection_id);
        let score = of_connection.map(|(score, _)| *score).fold(0.0, f64::max);
        if best.is_none_or(|(known, _)| score > known + 1e-9) {
            best = Some((score, &table.connection_id));
        }
    }
    let (_, connection) = best?;
    let mut chosen: Vec<(f64, &Found)> =
        scored.into_iter().filter(|(_, table)| table.connection_id == connection).collect();
    if chosen.len() > MOST_TABLES {
        chosen.sort_by(|left, right| right.0.total_cmp(&left.0));
        chosen.truncate(MOST_TABLES);
    }
    Some(chosen.into_iter().map(|(_, table)| table).collect())
}

/// Values that the question spells, and links between tables; both may take a query.
fn look_up(
    conversation: &Conversation<'_>,
    catalog: &Catalog,
    question: &Question,
    scores: &Scores,
    spans: &[Span],
) -> Result<(Vec<ValueMatch>, Vec<super::plan::Link>), Step> {
    let mut wanted = Vec::new();
    let mut values = probe::sampled_values(catalog, spans);
    let columns = probe::searched_columns(catalog);
    if !spans.is_empty() && !columns.is_empty() {
        let arguments = query_arguments(catalog, &probe::value_query(catalog, &columns, spans));
        match conversation.output("run_sql", &arguments) {
            Some(output) if failure(output).is_none() => values = probe::read_values(output, &columns, spans),
            Some(_) => {}
            None => wanted.push(("run_sql", arguments)),
        }
    }
    let (mut links, guesses) = links::find(catalog, &Vec::new());
    let is_asked_about = |table: usize| scores.relevance(table) >= 0.7;
    let guesses: Vec<links::Guess> = guesses
        .into_iter()
        .filter(|guess| !spans.is_empty() || is_asked_about(guess.to.0))
        .take(MOST_GUESSES)
        .collect();
    let needs_links = question_spans_tables(catalog, question, scores, spans);
    if !guesses.is_empty() && needs_links {
        let arguments = query_arguments(catalog, &probe::link_query(catalog, &guesses));
        match conversation.output("run_sql", &arguments) {
            Some(output) => links = links::find(catalog, &probe::read_links(output, &guesses)).0,
            None => wanted.push(("run_sql", arguments)),
        }
    }
    if wanted.is_empty() {
        return Ok((values, links));
    }
    Err(Step::new("Looking up the values and relations that the question names.", wanted))
}

/// Whether one table alone cannot account for the question's words.
fn question_spans_tables(catalog: &Catalog, question: &Question, scores: &Scores, spans: &[Span]) -> bool {
    let named: Vec<usize> = (0..question.tokens.len())
        .filter(|at| {
            !question.is_cue(*at)
                && question.may_name(*at)
                && !super::lexicon::is_stop_word(&question.tokens[*at].lower)
        })
        .collect();
    let explains = |table: usize, at: usize| {
        let length = question.tokens.len();
        let mut best: f64 = 0.0;
        for column in (0..catalog.tables[table].columns.len()).map(Some).chain([None]) {
            for start in at.saturating_sub(2)..=at {
                for end in at + 1..=length.min(start + 4) {
                    best = best.max(scores.get(start, end, table, column).unwrap_or(0.0));
                }
            }
        }
        best
    };
    let tables = 0..catalog.tables.len();
    let by_one = tables.clone().any(|table| {
        named.iter().all(|at| {
            let best = tables.clone().map(|other| explains(other, *at)).fold(0.0, f64::max);
            explains(table, *at) >= best - 0.15
        })
    });
    !by_one || spans.iter().any(|span| span.is_named)
}

/// The arguments of `run_sql` for a statement.
pub(super) fn query_arguments(catalog: &Catalog, sql: &str) -> Value {
    json!({ "connectionId": catalog.connection_id, "sql": sql })
}

/// The outputs of statements, in order; those that did not run yet are asked for.
fn run<'a>(
    conversation: &Conversation<'a>,
    catalog: &Catalog,
    statements: &[Statement],
    text: &str,
) -> Result<Vec<&'a Value>, Step> {
    let mut outputs = Vec::new();
    let mut wanted = Vec::new();
    for statement in statements {
        let arguments = query_arguments(catalog, &statement.sql);
        match conversation.output("run_sql", &arguments) {
            Some(output) => outputs.push(output),
            None => wanted.push(("run_sql", arguments)),
        }
    }
    if wanted.is_empty() { Ok(outputs) } else { Err(Step::new(text, wanted)) }
}

/// A name in the question that stands nowhere in the data and that the reading leaves unused.
fn missing_value(
    question: &Question,
    spans: &[Span],
    values: &[ValueMatch],
    reading: &Reading,
) -> Option<String> {
    let is_unused = |span: &Span| {
        let text = |at: usize| question.tokens[at].text.as_str();
        (span.start..span.end).any(|at| reading.unused.iter().any(|word| word == text(at)))
    };
    let mut missing: Vec<&Span> = spans
        .iter()
        .filter(|span| span.is_named && span.is_unknown && is_unused(span))
        .filter(|span| !values.iter().any(|value| value.start < span.end && span.start < value.end))
        .collect();
    missing.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let span = missing.first()?;
    let words: Vec<&str> =
        question.tokens[span.start..span.end].iter().map(|token| token.text.as_str()).collect();
    Some(words.join(" "))
}

/// Queries that the first results call for: how far the data reach where a recent period is empty, and where a day that
/// stands out comes from.
fn follow_up(catalog: &Catalog, reading: &Reading, views: &[View], timezone: Tz) -> Vec<Statement> {
    let Some(main) = views.first() else { return Vec::new() };
    if let Shape::Anomaly { measure, column, period } = &reading.plan.shape {
        return sql::drill_down(
            catalog,
            &reading.plan,
            measure,
            column,
            period,
            reply::oddest_day(main).as_deref(),
            timezone,
        );
    }
    let relative = match &reading.plan.shape {
        Shape::Comparison { periods, .. } => Some(&periods.column),
        _ => reading.plan.filters.iter().find_map(|filter| match filter {
            Filter::Time(column, range) if range.is_relative => Some(column),
            _ => None,
        }),
    };
    match relative {
        Some(column) => vec![sql::extent(catalog, &reading.plan, column, timezone)],
        None => Vec::new(),
    }
}

/// The charts that fit the results, drawn; a chart that cannot be drawn is left out.
fn draw(conversation: &Conversation<'_>, outcome: &Outcome<'_>) -> Result<Vec<String>, Step> {
    let Some(drawing) = chart::fitting(outcome) else { return Ok(Vec::new()) };
    let arguments = json!({ "result": drawing.result, "title": drawing.title, "spec": drawing.spec });
    let Some(output) = conversation.output("create_chart", &arguments) else {
        if conversation.is_last {
            return Ok(Vec::new());
        }
        return Err(Step::new("Drawing a chart.", vec![("create_chart", arguments)]));
    };
    Ok(output.get("chart").and_then(Value::as_str).map(str::to_owned).into_iter().collect())
}
