//! Pieces of SQL text: literals, names, clauses.

use std::fmt::Write as _;

use chrono::{NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use domain::table::ColumnType;

use crate::builtin::plan::Aggregate;

/// The start of a day as a literal of a column's type.
pub(super) fn instant(day: NaiveDate, kind: ColumnType, timezone: Tz) -> String {
    match kind {
        ColumnType::TimestampTz => {
            let midnight = day.and_time(NaiveTime::MIN);
            // Where a zone's clocks skip midnight the day starts an hour later.
            let start = timezone
                .from_local_datetime(&midnight)
                .earliest()
                .or_else(|| {
                    timezone.from_local_datetime(&(midnight + chrono::TimeDelta::hours(1))).earliest()
                })
                .map_or_else(|| midnight.and_utc(), |start| start.with_timezone(&Utc));
            format!("TIMESTAMPTZ '{}'", start.format("%Y-%m-%d %H:%M:%S+00"))
        }
        ColumnType::Timestamp => format!("TIMESTAMP '{day} 00:00:00'"),
        _ => format!("DATE '{day}'"),
    }
}

pub(super) fn aggregate_sql(aggregate: Aggregate, column: &str) -> String {
    match aggregate {
        Aggregate::Average => format!("avg({column})"),
        Aggregate::Sum => format!("sum({column})"),
        Aggregate::Min => format!("min({column})"),
        Aggregate::Max => format!("max({column})"),
        Aggregate::Deviation => format!("stddev_samp({column})"),
        Aggregate::Median => format!("percentile_cont(0.5) WITHIN GROUP (ORDER BY {column})"),
    }
}

/// A table under a name of its own, where that differs.
pub(super) fn aliased(table: &str, alias: &str) -> String {
    if table == alias { table.to_owned() } else { format!("{table} AS {alias}") }
}

pub(super) fn one_of<T: ToString>(values: &[T]) -> String {
    let list: Vec<String> = values.iter().map(ToString::to_string).collect();
    if let [one] = list.as_slice() { format!("= {one}") } else { format!("IN ({})", list.join(", ")) }
}

pub(super) fn where_clause(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!("\nWHERE {}", conditions.join(" AND ")) }
}

pub(super) fn push_group_by(sql: &mut String, grouped: usize) {
    if grouped > 0 {
        let positions: Vec<String> = (1..=grouped).map(|position| position.to_string()).collect();
        let _ = write!(sql, "\nGROUP BY {}", positions.join(", "));
    }
}

/// The name that a selected expression goes by: what follows `AS`, else itself.
pub(super) fn output_name(selected: &str) -> String {
    selected.rsplit_once(" AS ").map_or(selected, |(_, name)| name).to_owned()
}

/// A value as a literal of a column's type.
pub(super) fn literal(value: &str, kind: ColumnType) -> String {
    let is_number = kind.is_numeric() && value.parse::<f64>().is_ok_and(f64::is_finite);
    let is_truth = kind == ColumnType::Boolean && matches!(value, "true" | "false");
    if is_number || is_truth { value.to_owned() } else { text_literal(value) }
}

/// A text as a literal.
pub(in crate::builtin) fn text_literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

pub(super) fn number(value: f64) -> String {
    value.to_string()
}

/// A name as it must stand in SQL: quoted unless it is plain and no keyword.
pub(in crate::builtin) fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_')
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if is_plain && !is_keyword(name) { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

pub(super) fn is_keyword(name: &str) -> bool {
    KEYWORDS.split_whitespace().any(|keyword| keyword == name)
}

/// A text as a plain name for an output column.
pub(super) fn identifier(text: &str) -> String {
    let joined: String = text
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' })
        .collect();
    let mut name: String = joined.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
    if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
        name.insert_str(0, "c_");
    }
    name
}

/// Output names given out so far.
#[derive(Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut count = 2;
        while self.0.contains(&name) {
            name = format!("{wanted}_{count}");
            count += 1;
        }
        self.0.push(name.clone());
        name
    }
}

/// Words that either dialect keeps for itself.
const KEYWORDS: &str = "\
    all analyse analyze and any array as asc between both case cast check collate column constraint \
    create cross current_date current_time current_timestamp default deferrable desc describe distinct \
    do else end except exists false fetch filter for foreign from full grant group having ilike in \
    initially inner intersect into is join lateral leading left like limit localtime natural not null \
    offset on only or order outer over pivot placing primary qualify references returning right select \
    session_user show similar some summarize symmetric table tablesample then to trailing true union \
    unique unpivot user using values variadic when where window with";
