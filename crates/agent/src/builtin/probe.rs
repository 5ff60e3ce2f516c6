//! Look-ups before the query: which values the question's words spell, and whether guessed links hold.

use domain::table::ColumnType;
use serde_json::Value;

use super::{
    catalog::{Catalog, ColumnInfo},
    lexicon,
    links::{Guess, Verdicts},
    mention::{Scores, ValueMatch},
    reader::Question,
    sql::{quoted, text_literal},
    words::{self, Token},
};

/// The most words that a value mention may have.
const LONGEST_VALUE: usize = 7;
/// The most columns that are searched for values.
const MOST_COLUMNS: usize = 40;
/// The most values that are read from one column. Words that stand in so many of them say nothing.
const MOST_VALUES: usize = 16;
/// Texts that are longer on average are prose, no values to filter by.
const LONGEST_TEXT: usize = 60;

/// A run of words that may be a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    /// The first token.
    pub start: usize,
    /// The token after the last.
    pub end: usize,
    /// Lower case, letters and digits, single blanks.
    pub plain: String,
    /// Whether it is written as names are, so that a part of a value will do.
    pub is_named: bool,
    /// Whether the catalog explains none of its words.
    pub is_unknown: bool,
}

/// The runs of words that no table or column explains.
pub(super) fn spans(question: &Question, scores: &Scores, catalog: &Catalog) -> Vec<Span> {
    let tokens = &question.tokens;
    let is_open: Vec<bool> =
        (0..tokens.len()).map(|at| is_unexplained(question, scores, catalog, at)).collect();
    let is_solid = |at: usize| {
        let token = &tokens[at];
        !question.is_time(at) && (!lexicon::is_function_word(&token.lower) || token.quoted)
    };
    let mut found: Vec<Span> = Vec::new();
    for start in 0..tokens.len() {
        for end in start + 1..=tokens.len().min(start + LONGEST_VALUE) {
            if tokens[start + 1..end].iter().any(|token| token.after_break && !token.looks_named()) {
                break;
            }
            // Small words stand inside names, cues and other small words do not.
            let is_broken = (start..end).any(|at| {
                let lower = tokens[at].lower.as_str();
                let is_small = lexicon::is_function_word(lower) || question.is_cue(at);
                is_small
                    && !tokens[at].looks_named()
                    && !matches!(lower, "of" | "the" | "and" | "for" | "in" | "on" | "to" | "no")
            });
            if is_broken {
                break;
            }
            let has_open = (start..end).any(|at| is_open[at]);
            if !has_open || !is_solid(start) || !is_solid(end - 1) {
                continue;
            }
            let run = &tokens[start..end];
            let starts_as_cue = question.is_cue(start) && !run[0].looks_named();
            if starts_as_cue || (start..end).any(|at| question.is_time(at)) {
                continue;
            }
            let is_named =
                run.iter().all(|token| {
                    token.looks_named() || lexicon::is_function_word(&token.lower) || token.number.is_some()
                }) && (run.len() > 1 || run[0].quoted || run[0].looks_like_code() || !run[0].after_break);
            if run.len() == 1 && run[0].number.is_some() {
                continue;
            }
            let plain = plain(&run.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" "));
            let is_unknown =
                (start..end).all(|at| is_open[at] || lexicon::is_function_word(&tokens[at].lower));
            found.push(Span { start, end, plain, is_named, is_unknown });
            if run.len() == 1 {
                let singular = words::singular(&run[0].lower);
                if singular != run[0].lower {
                    found.push(Span { start, end, plain: singular, is_named: false, is_unknown });
                }
            }
        }
    }
    found
}

/// Whether a word must be a value if it is anything: no cue, no small word, and no name in the catalog.
fn is_unexplained(question: &Question, scores: &Scores, catalog: &Catalog, at: usize) -> bool {
    let token: &Token = &question.tokens[at];
    if token.quoted {
        return true;
    }
    if question.is_time(at) || token.number.is_some() {
        return false;
    }
    let is_sentence_start = token.after_break;
    if token.looks_like_code() || (token.looks_named() && !is_sentence_start) {
        return !lexicon::is_function_word(&token.lower);
    }
    if question.is_cue(at) || lexicon::is_stop_word(&token.lower) {
        return false;
    }
    let explained = |start: usize, end: usize| {
        (0..catalog.tables.len()).any(|table| {
            let columns = (0..catalog.tables[table].columns.len()).map(Some);
            columns
                .chain([None])
                .any(|column| scores.get(start, end, table, column).is_some_and(|score| score >= 0.8))
        })
    };
    let length = question.tokens.len();
    !(at.saturating_sub(2)..=at)
        .any(|start| (at + 1..=length.min(start + 4)).any(|end| explained(start, end)))
}

/// Lower case, letters and digits only, single blanks.
pub(super) fn plain(text: &str) -> String {
    let spaced: String =
        text.chars().map(|letter| if letter.is_alphanumeric() { letter } else { ' ' }).collect();
    spaced.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The columns whose values are searched: texts that are not prose.
pub(super) fn searched_columns(catalog: &Catalog) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (table_index, table) in catalog.tables.iter().enumerate() {
        for (column_index, column) in table.columns.iter().enumerate() {
            if holds_names(column) {
                found.push((table_index, column_index));
            }
        }
    }
    found.truncate(MOST_COLUMNS);
    found
}

fn holds_names(column: &ColumnInfo) -> bool {
    let letters: usize = column.samples.iter().map(|sample| sample.chars().count()).sum();
    column.kind == ColumnType::Text && letters <= LONGEST_TEXT * column.samples.len()
}

/// The query that searches columns for spans; rows are `source` (position in `columns`) and `value`.
pub(super) fn value_query(catalog: &Catalog, columns: &[(usize, usize)], spans: &[Span]) -> String {
    let mut exact: Vec<String> = spans.iter().map(|span| text_literal(&span.plain)).collect();
    exact.sort();
    exact.dedup();
    let mut parts: Vec<String> = spans
        .iter()
        .filter(|span| span.is_named && span.plain.len() >= 3)
        .map(|span| text_literal(&format!("% {} %", span.plain)))
        .collect();
    parts.sort();
    parts.dedup();
    let branches: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(source, (table, column))| {
            let table = &catalog.tables[*table];
            let name = quoted(&table.columns[*column].name);
            let mut conditions = vec![format!("plain IN ({})", exact.join(", "))];
            conditions.extend(parts.iter().map(|part| format!("' ' || plain || ' ' LIKE {part}")));
            format!(
                "(SELECT {source} AS source, value FROM (SELECT value, trim(regexp_replace(lower(value), '[^[:alnum:]]+', ' ', 'g')) \
                 AS plain FROM (SELECT DISTINCT CAST({name} AS text) AS value FROM {}) AS listed) AS searched\nWHERE {}\n\
                 ORDER BY CASE WHEN {} THEN 0 ELSE 1 END, length(value), value LIMIT {MOST_VALUES})",
                table.sql_name,
                conditions.join(" OR "),
                conditions[0],
            )
        })
        .collect();
    branches.join("\nUNION ALL\n")
}

/// Reads the outcome of [`value_query`].
pub(super) fn read_values(output: &Value, columns: &[(usize, usize)], spans: &[Span]) -> Vec<ValueMatch> {
    let mut found: Vec<ValueMatch> = Vec::new();
    for row in output.get("rows").and_then(Value::as_array).into_iter().flatten() {
        let source = row.get(0).and_then(Value::as_u64).and_then(|source| columns.get(source as usize));
        let (Some((table, column)), Some(value)) = (source, row.get(1).and_then(Value::as_str)) else {
            continue;
        };
        note_value(&mut found, spans, *table, *column, value);
    }
    keep_exact(found)
}

/// Values among the samples, for what needs no query.
pub(super) fn sampled_values(catalog: &Catalog, spans: &[Span]) -> Vec<ValueMatch> {
    let mut found = Vec::new();
    for (table, column) in searched_columns(catalog) {
        for value in &catalog.tables[table].columns[column].samples {
            note_value(&mut found, spans, table, column, value);
        }
    }
    keep_exact(found)
}

fn note_value(found: &mut Vec<ValueMatch>, spans: &[Span], table: usize, column: usize, value: &str) {
    let value_plain = plain(value);
    if value_plain.is_empty() {
        return;
    }
    for span in spans {
        let is_exact = span.plain == value_plain;
        let is_part = span.is_named
            && span.plain.len() >= 3
            && format!(" {value_plain} ").contains(&format!(" {} ", span.plain));
        if !is_exact && !is_part {
            continue;
        }
        let known = found.iter_mut().find(|known| {
            (known.start, known.end, known.table, known.column, known.is_exact)
                == (span.start, span.end, table, column, is_exact)
        });
        match known {
            Some(known) if !known.values.iter().any(|other| other == value) => {
                known.values.push(value.to_owned());
            }
            Some(_) => {}
            None => found.push(ValueMatch {
                start: span.start,
                end: span.end,
                table,
                column,
                values: vec![value.to_owned()],
                is_exact,
            }),
        }
    }
}

/// Parts of values only count where no value is spelled out in the same column, and where they tell few values apart.
fn keep_exact(found: Vec<ValueMatch>) -> Vec<ValueMatch> {
    let exact: Vec<(usize, usize, usize, usize)> = found
        .iter()
        .filter(|value| value.is_exact)
        .map(|value| (value.start, value.end, value.table, value.column))
        .collect();
    found
        .into_iter()
        .filter(|value| {
            value.is_exact
                || (value.values.len() < MOST_VALUES / 2
                    && !exact.contains(&(value.start, value.end, value.table, value.column)))
        })
        .collect()
}

/// The query that puts guessed links to the test; rows are `guess`, `repeats`, `wanted`, `found`.
pub(super) fn link_query(catalog: &Catalog, guesses: &[Guess]) -> String {
    let branches: Vec<String> = guesses
        .iter()
        .enumerate()
        .map(|(index, guess)| {
            let (from, to) = (&catalog.tables[guess.from.0], &catalog.tables[guess.to.0]);
            let names = |table: usize, columns: &[usize]| -> Vec<String> {
                columns.iter().map(|column| quoted(&catalog.tables[table].columns[*column].name)).collect()
            };
            let (from_names, to_names) = (names(guess.from.0, &guess.from.1), names(guess.to.0, &guess.to.1));
            let aliased = |columns: &[String]| -> String {
                columns.iter().enumerate().map(|(at, name)| format!("{name} AS k{at}")).collect::<Vec<_>>().join(", ")
            };
            let present = |columns: &[String]| -> String {
                columns.iter().map(|name| format!("{name} IS NOT NULL")).collect::<Vec<_>>().join(" AND ")
            };
            let equal: Vec<String> = (0..from_names.len()).map(|at| format!("held.k{at} = wanted.k{at}")).collect();
            format!(
                "SELECT {index} AS guess, (SELECT count(*) FROM {to_table} WHERE {to_present}) - (SELECT count(*) FROM (SELECT \
                 DISTINCT {to_list} FROM {to_table} WHERE {to_present}) AS keys) AS repeats, count(*) AS wanted, \
                 count(held.k0) AS found\nFROM (SELECT DISTINCT {from_aliased} FROM {from_table} WHERE {from_present}) AS wanted\n\
                 LEFT JOIN (SELECT DISTINCT {to_aliased} FROM {to_table}) AS held ON {equal}",
                to_table = to.sql_name,
                to_present = present(&to_names),
                to_list = to_names.join(", "),
                from_aliased = aliased(&from_names),
                from_table = from.sql_name,
                from_present = present(&from_names),
                to_aliased = aliased(&to_names),
                equal = equal.join(" AND "),
            )
        })
        .collect();
    branches.join("\nUNION ALL\n")
}

/// Reads the outcome of [`link_query`]: a link holds where keys do not repeat and at least half of the references are met.
pub(super) fn read_links(output: &Value, guesses: &[Guess]) -> Verdicts {
    let mut verdicts: Verdicts = guesses.iter().map(|guess| (guess.clone(), false)).collect();
    for row in output.get("rows").and_then(Value::as_array).into_iter().flatten() {
        let number = |at: usize| row.get(at).and_then(Value::as_i64);
        if let (Some(index), Some(repeats), Some(wanted), Some(found)) =
            (number(0), number(1), number(2), number(3))
            && let Some(verdict) = verdicts.get_mut(index as usize)
        {
            verdict.1 = repeats == 0 && found > 0 && found * 2 >= wanted;
        }
    }
    verdicts
}
