//! Answers that say what is missing, where there is nothing to compute.

use domain::table::ColumnType;

use super::{
    catalog::Catalog,
    lexicon,
    mention::Scores,
    phrase::Phrases,
    reader::{Question, Reading},
    reply::{Draft, plural},
    view::is_calendar_part,
};

/// The answer where no reading holds: what was understood, what is there to ask about.
pub(super) fn cannot_tell(catalog: &Catalog, question: &Question, scores: &Scores) -> Draft {
    let mut order: Vec<(f64, usize)> =
        (0..catalog.tables.len()).map(|table| (scores.relevance(table), table)).collect();
    order.sort_by(|left, right| right.0.total_cmp(&left.0));
    let known: Vec<String> = question
        .tokens
        .iter()
        .enumerate()
        .filter(|(at, token)| {
            !lexicon::is_stop_word(&token.lower)
                && (0..catalog.tables.len()).any(|table| {
                    (0..catalog.tables[table].columns.len()).map(Some).chain([None]).any(|column| {
                        scores.get(*at, at + 1, table, column).is_some_and(|score| score >= 0.7)
                    })
                })
        })
        .map(|(_, token)| format!("“{}”", token.text))
        .collect();
    let recognised = if known.is_empty() {
        "I recognised none of its words as a table, a column or a value.".to_owned()
    } else {
        format!("I recognised {}, but not what to measure or list.", known.join(", "))
    };
    let mut lines = vec![recognised, "I can be asked, for example:".to_owned()];
    for (_, table) in order.into_iter().take(3) {
        lines.extend(suggestions(catalog, table).into_iter().map(|suggestion| format!("- {suggestion}")));
    }
    Draft::refusal("I could not tell what to compute from this question.", &lines.join("\n"))
}

/// Questions that a table can answer.
fn suggestions(catalog: &Catalog, table: usize) -> Vec<String> {
    let table = &catalog.tables[table];
    let rows = plural(&table.parts.join(" "));
    let category = table.columns.iter().find(|column| {
        column.kind == ColumnType::Text && !column.is_identifier() && !table.is_unique(column)
    });
    let measure = table.columns.iter().find(|column| column.is_measure() && !is_calendar_part(&column.name));
    let spoken = |parts: &[String]| parts.join(" ");
    let mut questions = Vec::new();
    match (category, measure) {
        (Some(category), Some(measure)) => {
            questions.push(format!("How many {rows} are there by {}?", spoken(&category.parts)));
            questions.push(format!(
                "What is the average {} by {}?",
                spoken(&measure.parts),
                spoken(&category.parts)
            ));
        }
        (Some(category), None) => {
            questions.push(format!("How many {rows} are there by {}?", spoken(&category.parts)));
        }
        (None, Some(measure)) => {
            questions.push(format!("What is the average {} of {rows}?", spoken(&measure.parts)));
        }
        (None, None) => questions.push(format!("How many {rows} are there?")),
    }
    questions
}

/// The answer where a name in the question stands nowhere in the data.
pub(super) fn value_not_found(catalog: &Catalog, name: &str) -> Draft {
    let mut examples: Vec<String> = Vec::new();
    for table in &catalog.tables {
        for column in table
            .columns
            .iter()
            .filter(|column| column.kind == ColumnType::Text && !column.samples.is_empty())
        {
            let samples: Vec<&str> = column
                .samples
                .iter()
                .filter(|sample| {
                    !sample.is_empty() && !sample.contains(|letter: char| letter.is_ascii_digit())
                })
                .take(3)
                .map(String::as_str)
                .collect();
            if !samples.is_empty() && examples.len() < 6 {
                examples.push(format!("- `{}` of `{}`: {}", column.name, table.name, samples.join(", ")));
            }
        }
    }
    let body = format!(
        "I looked for it in the text columns of {}. Columns with values to ask for:\n{}",
        catalog.tables.iter().map(|table| format!("`{}`", table.name)).collect::<Vec<_>>().join(", "),
        examples.join("\n")
    );
    Draft::refusal(&format!("I found no “{name}” in the data."), &body)
}

/// The answer where a word that narrows down the question is unknown.
pub(super) fn unknown_word(catalog: &Catalog, reading: &Reading, word: &str) -> Draft {
    let phrases = Phrases::new(catalog, reading);
    let body = format!(
        "No table, column or value goes by that word, so leaving it out would answer another question. {} Name the column and the \
         value that you mean, or ask without it.",
        phrases.understood().replace("_How I read it:_", "The rest I would read as")
    );
    Draft::refusal(&format!("I do not know what “{word}” means in these data."), &body)
}

/// The answer where the query failed.
pub(super) fn query_failed(reason: &str) -> Draft {
    Draft::refusal("The query for this question failed.", &format!("The database said: {reason}"))
}
