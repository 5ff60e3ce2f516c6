//! How tables hang together: declared references, equal names, and guesses that a query must confirm.

use domain::table::ColumnType;

use super::{
    catalog::{Catalog, ColumnInfo, TableInfo},
    plan::Link,
    words,
};

/// A guess that a column refers to another table's column, to be looked up in the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    /// The columns that may refer.
    pub from: (usize, Vec<usize>),
    /// The columns that may be referred to.
    pub to: (usize, Vec<usize>),
}

/// What a query found out about guesses: the guess and whether it holds.
pub(super) type Verdicts = Vec<(Guess, bool)>;

/// The links that are sure, and the guesses worth a look.
pub(super) fn find(catalog: &Catalog, verdicts: &Verdicts) -> (Vec<Link>, Vec<Guess>) {
    let mut links: Vec<Link> = Vec::new();
    let mut guesses: Vec<Guess> = Vec::new();
    for (from_table, from) in catalog.tables.iter().enumerate() {
        for (to_table, to) in catalog.tables.iter().enumerate() {
            if from_table == to_table {
                continue;
            }
            for (from_column, to_column, certainty) in pairs(catalog, from, to) {
                let guess = Guess { from: (from_table, vec![from_column]), to: (to_table, vec![to_column]) };
                let verdict = verdicts.iter().find(|(known, _)| *known == guess).map(|(_, holds)| *holds);
                match (certainty, verdict) {
                    (Certainty::Sure, _) | (_, Some(true)) => links.push(guess.into_link()),
                    (Certainty::ToConfirm, None) => guesses.push(guess),
                    (Certainty::ToConfirm, Some(false)) => {}
                }
            }
            if let Some(guess) = shared_columns(from, to, from_table, to_table)
                && !links.iter().any(|link| link.from_table == from_table && link.to_table == to_table)
            {
                match verdicts.iter().find(|(known, _)| *known == guess) {
                    Some((_, true)) => links.push(guess.into_link()),
                    Some((_, false)) => {}
                    None => guesses.push(guess),
                }
            }
        }
    }
    keep_smallest(catalog, &mut links);
    (links, guesses)
}

/// Where one column's values are found in the keys of several tables, as small numbers are, the smallest table is meant.
fn keep_smallest(catalog: &Catalog, links: &mut Vec<Link>) {
    let rows = |link: &Link| catalog.tables[link.to_table].rows.unwrap_or(f64::MAX);
    let all = links.clone();
    links.retain(|link| {
        let column = &catalog.tables[link.from_table].columns[link.from_columns[0]];
        let is_by_name = column.references.is_some()
            || column.kind != ColumnType::Integer
            || is_reference_by_name(
                column,
                &catalog.tables[link.to_table],
                &catalog.tables[link.to_table].columns[link.to_columns[0]],
            );
        is_by_name
            || !all.iter().any(|other| {
                (other.from_table, &other.from_columns) == (link.from_table, &link.from_columns)
                    && rows(other) < rows(link)
            })
    });
}

impl Guess {
    fn into_link(self) -> Link {
        Link {
            from_table: self.from.0,
            from_columns: self.from.1,
            to_table: self.to.0,
            to_columns: self.to.1,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Sure,
    ToConfirm,
}

/// Pairs of columns that may be reference and key.
fn pairs(catalog: &Catalog, from: &TableInfo, to: &TableInfo) -> Vec<(usize, usize, Certainty)> {
    let mut found = Vec::new();
    for (from_index, column) in from.columns.iter().enumerate() {
        if let Some((table, name)) = &column.references {
            if *table == to.name
                && let Some(to_index) = to.column_named(name)
            {
                found.push((from_index, to_index, Certainty::Sure));
            }
            continue;
        }
        if column.kind.is_temporal() || !matches!(column.kind, ColumnType::Text | ColumnType::Integer) {
            continue;
        }
        for (to_index, key) in to.columns.iter().enumerate() {
            if key.kind != column.kind || !to.may_be_unique(key) || is_date_part(column) {
                continue;
            }
            let is_named = is_reference_by_name(column, to, key);
            if is_named && to.is_unique(key) {
                found.push((from_index, to_index, Certainty::Sure));
            } else if is_named
                || looks_contained(from, column, to, key)
                || is_orphan_reference(catalog, from, column, to, key)
            {
                found.push((from_index, to_index, Certainty::ToConfirm));
            }
        }
    }
    found
}

/// `customer_id` for `customers.id`, `customers.customer_id`; `carrier` for `airlines.carrier`.
fn is_reference_by_name(column: &ColumnInfo, to: &TableInfo, key: &ColumnInfo) -> bool {
    let is_first = to.columns.first().is_some_and(|first| first.name == key.name);
    let is_key_like = key.is_identifier() || is_first || key.parts.iter().all(|part| to.is_own_word(part));
    let is_same = column.name.eq_ignore_ascii_case(&key.name)
        && is_key_like
        && !matches!(key.parts.concat().as_str(), "id" | "name");
    let last = column.parts.last().map_or("", String::as_str);
    let is_key_named = matches!(last, "id" | "key" | "code" | "no" | "nr" | "uuid");
    let stem = if is_key_named { &column.parts[..column.parts.len() - 1] } else { &column.parts[..] };
    let names_table = !stem.is_empty()
        && stem.len() <= to.parts.len()
        && stem
            .iter()
            .rev()
            .zip(to.parts.iter().rev())
            .all(|(part, own)| words::singular(part) == words::singular(own));
    let is_tables_key = matches!(key.parts.concat().as_str(), "id" | "key" | "code" | "uuid")
        || (key.parts.len() > 1
            && key.parts[..key.parts.len() - 1].iter().all(|part| to.is_own_word(part))
            && is_key_named);
    let display = to.display().is_some_and(|display| to.columns[display].name == key.name);
    is_same || (names_table && (is_tables_key || (display && !is_key_named)))
}

/// Whether the values of a text column have the look of another table's keys: short codes of the same length.
fn looks_contained(from: &TableInfo, column: &ColumnInfo, to: &TableInfo, key: &ColumnInfo) -> bool {
    if column.kind != ColumnType::Text
        || from.is_unique(column)
        || column.samples.len() < 2
        || key.samples.len() < 2
    {
        return false;
    }
    let fits_in = match (column.distinct, to.rows) {
        (Some(distinct), Some(rows)) => distinct <= rows,
        _ => true,
    };
    let is_code = |sample: &String| !sample.is_empty() && !sample.contains(' ');
    let lengths = |samples: &[String]| {
        let lengths = samples.iter().map(|sample| sample.chars().count());
        (lengths.clone().min().unwrap_or(0), lengths.max().unwrap_or(0))
    };
    let (least, most) = lengths(&column.samples);
    let (key_least, key_most) = lengths(&key.samples);
    let shared = column.samples.iter().any(|sample| key.samples.contains(sample));
    let alike = column.samples.iter().all(is_code)
        && key.samples.iter().all(is_code)
        && least >= key_least
        && most <= key_most
        && key_most <= 24;
    fits_in && (shared || alike)
}

/// `support_rep_id`: a column named as a reference to no table that is known may refer to any table's number.
fn is_orphan_reference(
    catalog: &Catalog,
    from: &TableInfo,
    column: &ColumnInfo,
    to: &TableInfo,
    key: &ColumnInfo,
) -> bool {
    let is_id = |column: &ColumnInfo| {
        column.kind == ColumnType::Integer && column.parts.last().is_some_and(|last| last == "id")
    };
    let is_first = to.columns.first().is_some_and(|first| first.name == key.name);
    let is_own_key = from.columns.first().is_some_and(|first| first.name == column.name);
    let fits_in = column.distinct.zip(to.rows).is_none_or(|(distinct, rows)| distinct <= rows);
    let has_table = || {
        catalog.tables.iter().any(|table| {
            table.columns.first().is_some_and(|first| is_reference_by_name(column, table, first))
        })
    };
    is_id(column)
        && is_id(key)
        && is_first
        && !is_own_key
        && fits_in
        && column.parts.len() > 1
        && !has_table()
}

/// Two tables that share two columns or more, none of which is unique alone: the shared columns may be a key together.
fn shared_columns(from: &TableInfo, to: &TableInfo, from_table: usize, to_table: usize) -> Option<Guess> {
    if from.rows.zip(to.rows).is_some_and(|(from_rows, to_rows)| from_rows < to_rows) {
        return None;
    }
    let mut shared: (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for (from_index, column) in from.columns.iter().enumerate() {
        let same = to.columns.iter().position(|other| other.name == column.name && other.kind == column.kind);
        if let Some(to_index) = same.filter(|_| column.is_category() || column.kind.is_temporal()) {
            shared.0.push(from_index);
            shared.1.push(to_index);
        }
    }
    (shared.0.len() >= 2).then_some(Guess { from: (from_table, shared.0), to: (to_table, shared.1) })
}

fn is_date_part(column: &ColumnInfo) -> bool {
    column.parts.len() == 1
        && matches!(
            column.parts[0].as_str(),
            "year" | "month" | "day" | "hour" | "minute" | "week" | "quarter" | "weekday" | "date"
        )
}
