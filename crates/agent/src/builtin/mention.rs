//! Which words of a question name which tables, columns and values.

use std::collections::HashMap;

use super::{
    catalog::{Catalog, TableInfo},
    lexicon,
    plan::{ColumnRef, Link},
    words::{self, Token},
};

/// The longest run of words that can name one thing.
const LONGEST_NAME: usize = 4;
/// Below this, words and name have too little in common.
const LEAST_SCORE: f64 = 0.5;

/// What words may name, seen from a base table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// The base table itself: its rows.
    Base,
    /// A table that links lead to: the things that its rows stand for.
    Entity(Vec<Link>),
    /// A column.
    Column(ColumnRef),
    /// Values of a column.
    Values(ColumnRef, Vec<String>),
}

/// A way to read some words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    /// What they name.
    pub target: Target,
    /// How well they fit, about 0 to 1.
    pub score: f64,
}

/// Words that name something.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mention {
    /// The first token.
    pub start: usize,
    /// The token after the last.
    pub end: usize,
    /// The readings, best first.
    pub candidates: Vec<Candidate>,
}

/// A value of a column that words of the question spell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ValueMatch {
    /// The first token.
    pub start: usize,
    /// The token after the last.
    pub end: usize,
    /// The table.
    pub table: usize,
    /// The column in it.
    pub column: usize,
    /// The values: one, or those that begin with or hold the words.
    pub values: Vec<String>,
    /// Whether the words are the whole value.
    pub is_exact: bool,
}

/// How well each run of words fits each table and column of a catalog; the same for every base table.
pub(super) struct Scores {
    names: HashMap<(usize, usize, usize, Option<usize>), f64>,
}

impl Scores {
    /// Scores all runs of up to [`LONGEST_NAME`] tokens that `is_open` allows.
    pub(super) fn new(catalog: &Catalog, tokens: &[Token], is_open: &dyn Fn(usize) -> bool) -> Self {
        let mut names = HashMap::new();
        for start in 0..tokens.len() {
            for end in start + 1..=tokens.len().min(start + LONGEST_NAME + 1) {
                let is_inner = |at: usize| is_inner_word(tokens, start, at);
                if !is_open(end - 1) && !is_filler(tokens, start, end - 1) && !is_inner(end - 1) {
                    break;
                }
                if !is_open(end - 1) || !is_open(start) {
                    continue;
                }
                let run: Vec<&str> = (start..end)
                    .filter(|at| is_inner(*at) || (is_open(*at) && !is_filler(tokens, start, *at)))
                    .map(|at| tokens[at].lower.as_str())
                    .collect();
                if run.len() > LONGEST_NAME
                    || run.is_empty()
                    || tokens[start + 1..end].iter().any(|token| token.after_break)
                {
                    break;
                }
                for (table_index, table) in catalog.tables.iter().enumerate() {
                    let mut keep = |column: Option<usize>, score: f64| {
                        if score >= LEAST_SCORE {
                            names.insert((start, end, table_index, column), score);
                        }
                    };
                    keep(None, table_score(&run, &table.parts));
                    for (column_index, column) in table.columns.iter().enumerate() {
                        let alone = words::phrase_score(&run, &column.parts);
                        let with_table = if run.len() > 1 {
                            qualified_score(&run, &table.parts, &column.parts)
                        } else {
                            0.0
                        };
                        keep(Some(column_index), alone.max(with_table));
                    }
                    if let [.., last] = run.as_slice()
                        && run.len() > 1
                        && lexicon::is_generic_noun(last)
                    {
                        add_generic(&mut names, table, (start, end, table_index), &run);
                    }
                }
            }
        }
        Self { names }
    }

    /// The score of a run for a table (`None`) or one of its columns.
    pub(super) fn get(&self, start: usize, end: usize, table: usize, column: Option<usize>) -> Option<f64> {
        self.names.get(&(start, end, table, column)).copied()
    }

    /// The best score that any run has for a table or its columns, per token, summed: how much a table has to do with
    /// the question.
    pub(super) fn relevance(&self, table: usize) -> f64 {
        self.names
            .iter()
            .filter(|((_, _, of, _), _)| *of == table)
            .map(|((start, end, _, _), score)| score * (end - start) as f64)
            .sum()
    }
}

/// "engine type" for a column `engine`, where no column is of that whole name.
fn add_generic(
    names: &mut HashMap<(usize, usize, usize, Option<usize>), f64>,
    table: &TableInfo,
    (start, end, table_index): (usize, usize, usize),
    run: &[&str],
) {
    let is_named_so = |column: usize| {
        names.get(&(start, end, table_index, Some(column))).is_some_and(|score| *score >= 0.9)
    };
    if (0..table.columns.len()).any(is_named_so) {
        return;
    }
    for (column, info) in table.columns.iter().enumerate() {
        let score = words::phrase_score(&run[..run.len() - 1], &info.parts);
        if score >= 0.95 {
            names.insert((start, end, table_index, Some(column)), score + 0.02);
        }
    }
}

/// "of", "for" and "the" within a name: "date of birth", "reason for leaving".
fn is_filler(tokens: &[Token], start: usize, at: usize) -> bool {
    at > start && matches!(tokens[at].lower.as_str(), "of" | "for" | "the")
}

/// "per" within a name: "income per head".
fn is_inner_word(tokens: &[Token], start: usize, at: usize) -> bool {
    at > start && tokens[at].lower == "per"
}

/// A table's name: the words must fit its parts; what only a prefix such as `dim_` adds costs little.
fn table_score(run: &[&str], parts: &[String]) -> f64 {
    words::phrase_score(run, parts)
}

/// "plane manufacturer", "customer's country": the table first, then its column.
fn qualified_score(run: &[&str], table: &[String], column: &[String]) -> f64 {
    (1..run.len())
        .map(|cut| {
            let (of_table, of_column) =
                (words::phrase_score(&run[..cut], table), words::phrase_score(&run[cut..], column));
            if of_table >= 0.6 && of_column >= 0.6 { f64::midpoint(of_table, of_column) + 0.02 } else { 0.0 }
        })
        .fold(0.0, f64::max)
}

/// A table within reach of a base table.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// The links that lead there; none for the base itself.
    pub path: Vec<Link>,
    /// The table.
    pub table: usize,
}

/// The tables that a base table's rows lead to, in at most two links.
pub(super) fn reach(base: usize, links: &[Link]) -> Vec<Reach> {
    let mut found = vec![Reach { path: Vec::new(), table: base }];
    let mut at = 0;
    while at < found.len() {
        let here = found[at].clone();
        at += 1;
        if here.path.len() >= 2 {
            continue;
        }
        for link in links.iter().filter(|link| link.from_table == here.table) {
            let seen = link.to_table == base || here.path.iter().any(|step| step.to_table == link.to_table);
            if !seen {
                let mut path = here.path.clone();
                path.push(link.clone());
                found.push(Reach { path, table: link.to_table });
            }
        }
    }
    found
}

/// Reads a question from a base table: the runs of words that name something, none overlapping, best in sum.
/// `is_free` tells tokens that are no part of a cue or a time phrase; a run of others must fit all but perfectly.
pub(super) fn mentions(
    catalog: &Catalog,
    tokens: &[Token],
    scores: &Scores,
    values: &[ValueMatch],
    reaches: &[Reach],
    is_free: &dyn Fn(usize) -> bool,
) -> Vec<Mention> {
    let mut by_end: Vec<Vec<Mention>> = vec![Vec::new(); tokens.len() + 1];
    for start in 0..tokens.len() {
        let longest = values
            .iter()
            .filter(|value| value.start == start)
            .map(|value| value.end - start)
            .max()
            .unwrap_or(0);
        let last = tokens.len().min(start + longest.max(LONGEST_NAME + 1));
        for (end, ending) in by_end.iter_mut().enumerate().take(last + 1).skip(start + 1) {
            let mut candidates = candidates(catalog, tokens, scores, values, reaches, start, end);
            if !(start..end).all(is_free) {
                let least = if end - start > 1 { 0.8 } else { 2.0 };
                candidates.retain(|candidate| candidate.score >= least);
            }
            candidates.sort_by(|left, right| right.score.total_cmp(&left.score));
            candidates.truncate(8);
            if !candidates.is_empty() {
                ending.push(Mention { start, end, candidates });
            }
        }
    }
    best_cover(tokens.len(), by_end)
}

/// The choice of runs that covers most words best.
fn best_cover(length: usize, by_end: Vec<Vec<Mention>>) -> Vec<Mention> {
    let mut best: Vec<(f64, Option<Mention>)> = vec![(0.0, None)];
    for (end, ending) in by_end.into_iter().enumerate().skip(1) {
        let mut here = (best[end - 1].0, None);
        for mention in ending {
            let length = (mention.end - mention.start) as f64;
            let top = mention.candidates[0].score;
            // The square root keeps two poor readings of one word each from beating a good one of both.
            let value = best[mention.start].0 + top * top * length + 0.02 * (length - 1.0);
            if value > here.0 {
                here = (value, Some(mention));
            }
        }
        best.push(here);
    }
    let mut chosen = Vec::new();
    let mut at = length;
    while at > 0 {
        match best[at].1.take() {
            Some(mention) => {
                at = mention.start;
                chosen.push(mention);
            }
            None => at -= 1,
        }
    }
    chosen.reverse();
    chosen
}

/// What a run may name.
fn candidates(
    catalog: &Catalog,
    tokens: &[Token],
    scores: &Scores,
    values: &[ValueMatch],
    reaches: &[Reach],
    start: usize,
    end: usize,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (order, reach) in reaches.iter().enumerate() {
        let distance = 0.06 * reach.path.len() as f64 + 0.002 * order as f64;
        if let Some(score) = scores.get(start, end, reach.table, None) {
            let target =
                if reach.path.is_empty() { Target::Base } else { Target::Entity(reach.path.clone()) };
            found.push(Candidate { target, score: score - distance });
        }
        let table = &catalog.tables[reach.table];
        let column_ref = |column: usize| ColumnRef { path: reach.path.clone(), table: reach.table, column };
        for column in 0..table.columns.len() {
            if let Some(score) = scores.get(start, end, reach.table, Some(column)) {
                // Where a column is the rows' own name, the rows are meant first.
                let own_name = if reach.path.is_empty() && is_own_name(table, column) { 0.05 } else { 0.0 };
                found.push(Candidate {
                    target: Target::Column(column_ref(column)),
                    score: score - distance - own_name,
                });
            }
        }
        if let Some(link) = reach.path.last() {
            // "destination airport": the link's column first, then what it leads to.
            for cut in start + 1..end {
                let role = link
                    .from_columns
                    .iter()
                    .filter_map(|column| scores.get(start, cut, link.from_table, Some(*column)));
                let Some(role) = role.reduce(f64::max).filter(|score| *score >= 0.6) else { continue };
                if let Some(score) = scores.get(cut, end, reach.table, None).filter(|score| *score >= 0.6) {
                    let target = Target::Entity(reach.path.clone());
                    found.push(Candidate { target, score: f64::midpoint(role, score) + 0.08 - distance });
                }
                for column in 0..table.columns.len() {
                    let score = scores.get(cut, end, reach.table, Some(column)).filter(|score| *score >= 0.6);
                    if let Some(score) = score {
                        let target = Target::Column(column_ref(column));
                        found.push(Candidate { target, score: f64::midpoint(role, score) + 0.06 - distance });
                    }
                }
            }
        }
        for value in
            values.iter().filter(|value| (value.start, value.end, value.table) == (start, end, reach.table))
        {
            let preference = movement_preference(catalog, tokens, start, reach, value.column);
            let named = tokens[start..end].iter().any(Token::looks_named) || end - start > 1;
            if !named && lexicon::is_neutral(&tokens[start].lower) {
                continue;
            }
            let sure = match (value.is_exact, named) {
                (true, true) => 1.15,
                (true, false) => 0.96,
                (false, true) => 0.93,
                (false, false) => 0.55,
            };
            // Rows are seldom counted by their own name; the same name elsewhere is meant first.
            let own_name =
                if reach.path.is_empty() && table.display() == Some(value.column) { 0.13 } else { 0.0 };
            found.push(Candidate {
                target: Target::Values(column_ref(value.column), value.values.clone()),
                score: sure + preference - distance - own_name,
            });
        }
    }
    found
}

/// Whether a column holds nothing but the name of its table's rows: `products.product`.
pub(super) fn is_own_name(table: &TableInfo, column: usize) -> bool {
    let info = &table.columns[column];
    info.parts.iter().all(|part| table.is_own_word(part))
        && (table.is_unique(info) || table.display() == Some(column))
}

/// "from JFK" speaks of the column that is an origin, "to JFK" of one that is a destination.
fn movement_preference(
    catalog: &Catalog,
    tokens: &[Token],
    start: usize,
    reach: &Reach,
    column: usize,
) -> f64 {
    let before = start.checked_sub(1).map_or("", |at| match tokens[at].lower.as_str() {
        "the" => at.checked_sub(1).map_or("", |at| tokens[at].lower.as_str()),
        other => other,
    });
    let parts = reach.path.first().map_or(&catalog.tables[reach.table].columns[column].parts, |link| {
        &catalog.tables[link.from_table].columns[link.from_columns[0]].parts
    });
    let names = |test: fn(&str) -> bool| parts.iter().any(|part| test(part));
    match before {
        "from" | "leaving" | "departing" if names(lexicon::names_source) => 0.1,
        "to" | "into" | "towards" | "toward" | "reaching" if names(lexicon::names_target) => 0.1,
        "from" | "leaving" | "departing" if names(lexicon::names_target) => -0.1,
        "to" | "into" | "towards" | "toward" | "reaching" if names(lexicon::names_source) => -0.1,
        _ => 0.0,
    }
}
