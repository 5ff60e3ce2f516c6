//! `answer`: the end of a turn.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::{
    answer::{Answer, ShownChart, ShownResult},
    step::ToolCall,
    task::plain_prompt,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{ANSWER, Desk, Outcome, Told, Trouble, arguments, checked};
use crate::{
    figures::{self, Draft, Question, Source},
    journal::KnownResult,
    method, verified,
};

pub(super) const DESCRIPTION: &str = "End the turn. Headline: the finding in one sentence. Body: short markdown. Every \
number, date or name from the data is written as a figure, {{r1[0].column|format}}, which code fills in and checks. Name the \
results and charts to show, and what the reader should know as caveats. Where a question can be read in ways that give \
different answers and somebody is there to be asked, ask back instead, with the readings as choices.";

const HEADLINE_MAX: usize = 300;
const BODY_MAX: usize = 20_000;
const CAVEAT_MAX: usize = 1_000;
const LIST_MAX: usize = 20;
const CHOICE_MAX: usize = 300;
const CHOICES_MAX: usize = 5;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// The finding in one sentence, at most 300 characters.
    headline: String,
    /// Short markdown: paragraphs, lists, tables. No links, pictures or HTML.
    #[serde(default)]
    body: String,
    /// Handles of the results to show, such as r1, the most important first.
    #[serde(default)]
    results: Vec<String>,
    /// Handles of the charts to show, such as c1.
    #[serde(default)]
    charts: Vec<String>,
    /// Assumptions, truncation, staleness: what the reader should know.
    #[serde(default)]
    caveats: Vec<String>,
    /// Only to ask back, in a conversation: two to five questions, each in full, one for each way to read what was asked. The
    /// headline asks which is meant.
    #[serde(default)]
    choices: Vec<String>,
    /// Only for a task with a condition: the result and column that it is about. Code evaluates it.
    #[serde(default)]
    check: Option<checked::CheckArgument>,
}

/// Whether numerals that are in no result are still sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// Yes: this is the first time.
    Once,
    /// No: they are shown, marked as unchecked.
    Done,
}

pub(super) async fn call(desk: &Desk<'_>, call: &ToolCall) -> Result<Outcome, Trouble> {
    let (answer, replayed) = read(desk, call).await?;
    let unchecked: Vec<_> =
        answer.figures.iter().filter(|figure| !figure.checked).map(|figure| figure.text.clone()).collect();
    let output = json!({ "accepted": true, "figures": answer.figures.len(), "unchecked": unchecked });
    Ok(Outcome { answer: Some(answer), result: replayed, ..Outcome::told(output) })
}

/// Reads and checks an `answer` call. The same call over the same results gives the same answer.
pub(crate) async fn read_answer(desk: &Desk<'_>, call: &ToolCall) -> Result<Answer, Trouble> {
    Ok(read(desk, call).await?.0)
}

/// The answer, and the result of the pinned query, where that was replayed for it.
async fn read(desk: &Desk<'_>, call: &ToolCall) -> Result<(Answer, Option<KnownResult>), Trouble> {
    let mut arguments: Arguments = arguments(call)?;
    arguments.headline = arguments.headline.split_whitespace().collect::<Vec<_>>().join(" ");
    check_lengths(&arguments)?;
    let shown = shown_results(desk, &arguments)?;
    let charts = shown_charts(desk, &arguments)?;
    let checked = checked::find(desk, arguments.check.as_ref(), &shown).await?;
    let choices = choices(desk, &arguments.choices)?;
    let draft = Draft {
        headline: arguments.headline,
        body: arguments.body.trim().to_owned(),
        caveats: arguments.caveats,
    };
    let mut answer = resolve(desk, &draft, &shown).await?;
    answer.results = shown;
    answer.charts = charts;
    answer.checked = checked;
    answer.choices = choices;
    verified::note(desk, &mut answer).await?;
    let replayed = method::check(desk, call, &mut answer).await?;
    Ok((answer, replayed))
}

fn check_lengths(arguments: &Arguments) -> Result<(), Told> {
    let too_long = |what: &str, limit: usize| {
        Told::new(
            "answer_too_long",
            format!("{what} is too long"),
            format!("Keep it under {limit} characters."),
        )
    };
    if arguments.headline.is_empty() {
        return Err(Told::new(
            "invalid_arguments",
            "the headline is empty",
            "Say the finding in one sentence.",
        ));
    }
    if arguments.headline.chars().count() > HEADLINE_MAX {
        return Err(too_long("the headline", HEADLINE_MAX));
    }
    if arguments.body.chars().count() > BODY_MAX {
        return Err(too_long("the body", BODY_MAX));
    }
    if arguments.caveats.iter().any(|caveat| caveat.chars().count() > CAVEAT_MAX) {
        return Err(too_long("a caveat", CAVEAT_MAX));
    }
    let longest = arguments.results.len().max(arguments.charts.len()).max(arguments.caveats.len());
    if longest > LIST_MAX {
        return Err(Told::new(
            "answer_too_long",
            format!("there are more than {LIST_MAX} results, charts or caveats"),
            "Show only what the answer rests on.",
        ));
    }
    Ok(())
}

/// The questions to choose from, without mentions: a choice is asked as if it had been typed, and may name nothing new.
fn choices(desk: &Desk<'_>, offered: &[String]) -> Result<Vec<String>, Told> {
    if offered.is_empty() {
        return Ok(Vec::new());
    }
    if desk.context.is_task {
        return Err(Told::new(
            "nobody_to_ask",
            "this is a task's run: nobody is there to choose",
            "Take the likeliest reading, answer it, and state it as an assumption in `caveats`.",
        ));
    }
    let mut choices: Vec<String> = Vec::with_capacity(offered.len());
    for choice in offered {
        let choice = plain_prompt(choice).split_whitespace().collect::<Vec<_>>().join(" ");
        if !choice.is_empty() && !choices.contains(&choice) {
            choices.push(choice);
        }
    }
    let is_fit = (2..=CHOICES_MAX).contains(&choices.len())
        && choices.iter().all(|choice| choice.chars().count() <= CHOICE_MAX);
    if !is_fit {
        return Err(Told::new(
            "unfit_choices",
            "these are no choices to ask back with",
            format!(
                "Give 2 to {CHOICES_MAX} different questions of at most {CHOICE_MAX} characters, or none."
            ),
        ));
    }
    Ok(choices)
}

fn shown_results(desk: &Desk<'_>, arguments: &Arguments) -> Result<Vec<ShownResult>, Told> {
    let mut seen = HashSet::new();
    let mut shown = Vec::new();
    for handle in arguments.results.iter().filter(|handle| seen.insert(handle.as_str())) {
        let result = desk.result(handle)?;
        shown.push(ShownResult { id: result.id, handle: result.handle.clone() });
    }
    Ok(shown)
}

fn shown_charts(desk: &Desk<'_>, arguments: &Arguments) -> Result<Vec<ShownChart>, Told> {
    let mut seen = HashSet::new();
    let mut shown = Vec::new();
    for handle in arguments.charts.iter().filter(|handle| seen.insert(handle.as_str())) {
        let Some(chart) = desk.known_charts.iter().find(|chart| chart.handle == *handle) else {
            let known: Vec<_> = desk.known_charts.iter().map(|chart| chart.handle.as_str()).collect();
            return Err(Told::new(
                "unknown_chart",
                format!("there is no chart `{handle}`"),
                if known.is_empty() {
                    "There is none yet.".to_owned()
                } else {
                    format!("There are {}.", known.join(", "))
                },
            ));
        };
        shown.push(ShownChart {
            id: chart.id,
            handle: chart.handle.clone(),
            title: chart.title.clone(),
            alt: chart.alt.clone(),
        });
    }
    Ok(shown)
}

async fn resolve(desk: &Desk<'_>, draft: &Draft, shown: &[ShownResult]) -> Result<Answer, Trouble> {
    let mut tables = Vec::new();
    // Results of earlier turns are read only where the answer can mean them.
    let texts = [&draft.headline, &draft.body].into_iter().chain(&draft.caveats);
    let written: String = texts.flat_map(|text| [text.as_str(), "\n"]).collect();
    for result in desk.results {
        let is_of_turn = result.turn_no == desk.turn_no;
        let is_shown = shown.iter().any(|shown| shown.handle == result.handle);
        if is_of_turn || is_shown || written.contains(&result.handle) {
            tables.push((result, desk.table(result).await?, is_of_turn || is_shown));
        }
    }
    // What the answer shows is the likelier home of a numeral.
    tables.sort_by_key(|(result, ..)| !shown.iter().any(|shown| shown.handle == result.handle));
    let sources: Vec<Source<'_>> = tables
        .iter()
        .map(|(result, table, is_searched)| Source {
            id: result.id,
            handle: &result.handle,
            table,
            is_searched: *is_searched,
        })
        .collect();
    let question = Question {
        prompt: desk.prompt,
        statements: desk
            .results
            .iter()
            .filter(|result| result.turn_no == desk.turn_no)
            .map(|result| result.sql.as_str())
            .collect(),
        today: Some(local_date(desk.context.now, &desk.context.timezone)),
    };
    let resolved = figures::resolve(draft, &sources, &question).map_err(|errors| bad_figures(&errors))?;
    if desk.repair == Repair::Once && !resolved.unfound.is_empty() {
        return Err(unchecked_figures(&resolved.unfound).into());
    }
    Ok(Answer {
        checked_share: resolved.checked_share(),
        headline: resolved.headline,
        body: resolved.body,
        caveats: resolved.caveats,
        figures: resolved.figures,
        results: Vec::new(),
        charts: Vec::new(),
        model: desk.model_name.to_owned(),
        checked: None,
        why: None,
        choices: Vec::new(),
        stale: None,
        verified: None,
        method: None,
    })
}

fn local_date(now: DateTime<Utc>, timezone: &str) -> chrono::NaiveDate {
    timezone
        .parse::<chrono_tz::Tz>()
        .map_or_else(|_| now.date_naive(), |zone| now.with_timezone(&zone).date_naive())
}

fn bad_figures(errors: &[figures::Error]) -> Told {
    let listed: Vec<_> = errors.iter().take(10).map(ToString::to_string).collect();
    Told::new(
        "bad_figures",
        format!("some figures cannot be computed: {}", listed.join("; ")),
        "Mend these figures and call answer again. A figure is written {{r1[0].column|number:1}}.",
    )
}

/// The code of the one refusal that lists numerals which are in no result.
pub(super) const UNCHECKED: &str = "unchecked_figures";

fn unchecked_figures(unfound: &[String]) -> Told {
    let mut told = Told::new(
        UNCHECKED,
        format!("these numbers are in no result of this turn: {}", unfound.join(", ")),
        "Write each as a figure such as {{r1[0].column|number:1}} or {{pct_change(r1[0].a,r1[1].a)|percent:1}}, query what \
         is missing, or leave it out. What is still unfound will be shown marked as unchecked.",
    );
    told.details = Some(json!({ "numerals": unfound }));
    told
}

impl Repair {
    /// Whether the one repair has been asked for, given the outputs of the turn's tool calls so far.
    pub(crate) fn after<'a>(outputs: impl IntoIterator<Item = (&'a str, &'a serde_json::Value)>) -> Self {
        let asked = outputs.into_iter().any(|(tool, output)| {
            tool == ANSWER && output.pointer("/error/code").is_some_and(|code| code == UNCHECKED)
        });
        if asked { Self::Done } else { Self::Once }
    }
}
