//! Two results held against each other by key: what was added, what is gone, what changed and by how much.

use std::{collections::HashMap, io};

use domain::table::{Cell, Column, ColumnType, Table};
use warehouse::QueryLimits;

/// Two floating-point sums of the same numbers may differ by so much, relative to the larger, for the order in which they
/// were added up.
const SAME_WITHIN: f64 = 1e-9;
/// The first column of a comparison: `changed`, `added`, `gone` or `same`.
pub(crate) const OUTCOME: &str = "outcome";

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// A row for each key: [`OUTCOME`], the key, and for each compared column `x_before`, `x_after` and, where both are
    /// numbers, `x_change` (after − before) and `x_pct_change` (as a share of before; null where that is 0 or missing).
    /// Changed rows come first, the largest change of the first compared column before all others, then added, gone, same.
    pub(crate) table: Table,
    /// How many rows there are of each outcome.
    pub(crate) counts: Counts,
}

/// How many keys fared how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counts {
    /// In both, with a value that differs.
    pub(crate) changed: usize,
    /// In the newer result only.
    pub(crate) added: usize,
    /// In the older result only.
    pub(crate) gone: usize,
    /// In both, alike.
    pub(crate) same: usize,
}

/// Why two results cannot be compared as asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Problem {
    /// A column is missing.
    #[error("the {side} result has no column `{column}`")]
    UnknownColumn {
        /// `older` or `newer`.
        side: &'static str,
        /// What was named.
        column: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Several rows and nothing to tell them apart by.
    #[error("a result has several rows, and no key was named to tell them apart")]
    NeedsKey {
        /// Columns of both that could be one.
        known: Vec<String>,
    },
    /// Two rows share a key.
    #[error("the {side} result has several rows of the key {key}")]
    RepeatedKey {
        /// `older` or `newer`.
        side: &'static str,
        /// The key's values.
        key: String,
    },
    /// No column is in both, and there is no key either.
    #[error("the results share no column to compare")]
    NothingShared,
    /// More rows would come out than a result may have.
    #[error("the comparison would have {rows} rows, more than the {limit} that a result may have")]
    TooManyRows {
        /// How many.
        rows: usize,
        /// The limit.
        limit: usize,
    },
    /// More bytes would come out than a result may have.
    #[error("the comparison would have more than the {limit} bytes that a result may have")]
    TooLarge {
        /// The limit, in bytes of the rows as JSON.
        limit: usize,
    },
}

/// A column that is compared: where it stands in either result.
struct Compared {
    name: String,
    before: usize,
    after: usize,
    is_numeric: bool,
    /// Whether neither result holds it in floating point.
    is_exact: bool,
    /// What its cells become, where the two results differ in type.
    kind: ColumnType,
}

/// The cells of a key, as text that is the same for equal values: `1` and `1.0` are.
type Key = Vec<String>;

/// Holds `after` against `before`. Without `columns`, all that both have beside the key are compared. What comes out
/// keeps within the rows and bytes of `limits`.
pub(crate) fn compare(
    before: &Table,
    after: &Table,
    key: &[String],
    columns: &[String],
    limits: QueryLimits,
) -> Result<Comparison, Problem> {
    let key_before = positions(before, key, "older")?;
    let key_after = positions(after, key, "newer")?;
    let compared = compared(before, after, &key_after, columns)?;
    if key.is_empty() && compared.is_empty() {
        return Err(Problem::NothingShared);
    }
    if key.is_empty() && (before.rows.len() > 1 || after.rows.len() > 1) {
        return Err(Problem::NeedsKey { known: possible_keys(before, after) });
    }
    let older = by_key(before, &key_before, "older")?;
    let newer = by_key(after, &key_after, "newer")?;
    let rows = newer.len() + older.keys().filter(|key| !newer.contains_key(*key)).count();
    if rows > limits.rows {
        return Err(Problem::TooManyRows { rows, limit: limits.rows });
    }

    let mut counts = Counts::default();
    let mut room = Room { left: limits.bytes };
    let mut ranked: Vec<((u8, f64), Vec<Cell>)> = Vec::with_capacity(rows);
    for row in &after.rows {
        let known = older.get(&key_of(row, &key_after)).map(|at| &before.rows[*at]);
        let (rank, outcome) = match known {
            None => {
                counts.added += 1;
                ((1, 0.0), "added")
            }
            Some(earlier) if compared.iter().all(|column| column.is_same(earlier, row)) => {
                counts.same += 1;
                ((3, 0.0), "same")
            }
            Some(earlier) => {
                counts.changed += 1;
                let change = compared.first().and_then(|column| column.change(Some(earlier), Some(row)));
                ((0, -change.map_or(0.0, f64::abs)), "changed")
            }
        };
        let joined = joined(outcome, row, &key_after, &compared, known, Some(row));
        room.take(&joined).map_err(|_| Problem::TooLarge { limit: limits.bytes })?;
        ranked.push((rank, joined));
    }
    for row in before.rows.iter().filter(|row| !newer.contains_key(&key_of(row, &key_before))) {
        counts.gone += 1;
        let joined = joined("gone", row, &key_before, &compared, Some(row), None);
        room.take(&joined).map_err(|_| Problem::TooLarge { limit: limits.bytes })?;
        ranked.push(((2, 0.0), joined));
    }
    // Stable: rows of one rank keep the order that they came in.
    ranked.sort_by(|(left, _), (right, _)| left.0.cmp(&right.0).then(left.1.total_cmp(&right.1)));
    let table = Table {
        columns: columns_of(after, &key_after, &compared),
        rows: ranked.into_iter().map(|(_, row)| row).collect(),
        truncated: after.truncated.or(before.truncated),
    };
    Ok(Comparison { table, counts })
}

/// The bytes of JSON that rows may still take. Writing beyond them fails.
struct Room {
    left: usize,
}

impl Room {
    fn take(&mut self, row: &[Cell]) -> serde_json::Result<()> {
        serde_json::to_writer(self, row)
    }
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn positions(table: &Table, names: &[String], side: &'static str) -> Result<Vec<usize>, Problem> {
    names
        .iter()
        .map(|name| {
            table.column_index(name).ok_or_else(|| Problem::UnknownColumn {
                side,
                column: name.clone(),
                known: table.columns.iter().map(|column| column.name.clone()).collect(),
            })
        })
        .collect()
}

fn compared(
    before: &Table,
    after: &Table,
    key_after: &[usize],
    names: &[String],
) -> Result<Vec<Compared>, Problem> {
    let shared: Vec<String> = if names.is_empty() {
        let is_shared = |(at, column): &(usize, &Column)| {
            !key_after.contains(at) && before.column_index(&column.name).is_some()
        };
        after.columns.iter().enumerate().filter(is_shared).map(|(_, column)| column.name.clone()).collect()
    } else {
        names.to_vec()
    };
    let (of_before, of_after) = (positions(before, &shared, "older")?, positions(after, &shared, "newer")?);
    let pairs = of_before.into_iter().zip(of_after);
    Ok(pairs
        .map(|(at_before, at_after)| {
            let (older, newer) = (before.columns[at_before].kind, after.columns[at_after].kind);
            let is_numeric = older.is_numeric() && newer.is_numeric();
            let is_exact = older != ColumnType::Float && newer != ColumnType::Float;
            let kind = match (older == newer, is_numeric) {
                (true, _) => newer,
                (false, true) => ColumnType::Float,
                (false, false) => ColumnType::Text,
            };
            let name = after.columns[at_after].name.clone();
            Compared { name, before: at_before, after: at_after, is_numeric, is_exact, kind }
        })
        .collect())
}

/// Columns of both results that name rows: everything but fractions.
fn possible_keys(before: &Table, after: &Table) -> Vec<String> {
    after
        .columns
        .iter()
        .filter(|column| !matches!(column.kind, ColumnType::Float | ColumnType::Decimal | ColumnType::Json))
        .filter(|column| before.column_index(&column.name).is_some())
        .map(|column| column.name.clone())
        .collect()
}

fn by_key(table: &Table, key: &[usize], side: &'static str) -> Result<HashMap<Key, usize>, Problem> {
    let mut rows = HashMap::with_capacity(table.rows.len());
    for (at, row) in table.rows.iter().enumerate() {
        let values = key_of(row, key);
        let said = values.join(", ");
        if rows.insert(values, at).is_some() {
            return Err(Problem::RepeatedKey { side, key: said });
        }
    }
    Ok(rows)
}

fn key_of(row: &[Cell], key: &[usize]) -> Key {
    key.iter()
        .map(|at| match &row[*at] {
            Cell::Float(number) => number.to_string(),
            cell => cell.to_plain(),
        })
        .collect()
}

impl Compared {
    fn is_same(&self, before: &[Cell], after: &[Cell]) -> bool {
        let (before, after) = (&before[self.before], &after[self.after]);
        if self.is_numeric && self.is_exact {
            return before.is_null() == after.is_null() && plain_number(before) == plain_number(after);
        }
        match (before.as_f64(), after.as_f64()) {
            (Some(older), Some(newer)) if self.is_numeric => {
                (newer - older).abs() <= SAME_WITHIN * older.abs().max(newer.abs())
            }
            _ if before.is_null() || after.is_null() => before.is_null() == after.is_null(),
            _ => before.to_plain() == after.to_plain(),
        }
    }

    /// After minus before, where both are numbers.
    fn change(&self, before: Option<&[Cell]>, after: Option<&[Cell]>) -> Option<f64> {
        let older = before?.get(self.before)?.as_f64()?;
        let newer = after?.get(self.after)?.as_f64()?;
        self.is_numeric.then_some(newer - older)
    }

    /// The cells of this column in a row of the comparison.
    fn cells(&self, before: Option<&[Cell]>, after: Option<&[Cell]>) -> Vec<Cell> {
        let cell = |row: Option<&[Cell]>, at: usize| row.map_or(Cell::Null, |row| self.fitting(&row[at]));
        let mut cells = vec![cell(before, self.before), cell(after, self.after)];
        if !self.is_numeric {
            return cells;
        }
        let change = self.change(before, after);
        cells.push(match (&cells[0], &cells[1]) {
            (Cell::Int(older), Cell::Int(newer)) => newer.checked_sub(*older).map_or(Cell::Null, Cell::Int),
            _ => change.map_or(Cell::Null, Cell::Float),
        });
        let base = before.and_then(|row| row[self.before].as_f64()).filter(|base| *base != 0.0);
        let share = change.zip(base).map(|(change, base)| change / base.abs());
        cells.push(share.map_or(Cell::Null, Cell::Float));
        cells
    }

    /// A cell in the type of the column that it goes into.
    fn fitting(&self, cell: &Cell) -> Cell {
        match (self.kind, cell) {
            (_, Cell::Null) => Cell::Null,
            (ColumnType::Float, cell) => cell.as_f64().map_or(Cell::Null, Cell::Float),
            (ColumnType::Text, cell) => Cell::Text(cell.to_plain()),
            (_, cell) => cell.clone(),
        }
    }
}

/// An exact number as text that is the same for equal values: `12.50` and `12.5` are, `7.0` and `7`, `-0` and `0`.
fn plain_number(cell: &Cell) -> String {
    let text = cell.to_plain();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return text;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    match (whole.trim_start_matches('0'), fraction.trim_end_matches('0')) {
        ("", "") => "0".to_owned(),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

fn joined(
    outcome: &str,
    row: &[Cell],
    key: &[usize],
    compared: &[Compared],
    before: Option<&Vec<Cell>>,
    after: Option<&Vec<Cell>>,
) -> Vec<Cell> {
    let mut cells = vec![Cell::Text(outcome.to_owned())];
    cells.extend(key.iter().map(|at| row[*at].clone()));
    for column in compared {
        cells.extend(column.cells(before.map(Vec::as_slice), after.map(Vec::as_slice)));
    }
    cells
}

fn columns_of(after: &Table, key: &[usize], compared: &[Compared]) -> Vec<Column> {
    let mut columns = vec![Column::new(OUTCOME, ColumnType::Text)];
    columns.extend(key.iter().map(|at| after.columns[*at].clone()));
    for column in compared {
        columns.push(Column::new(format!("{}_before", column.name), column.kind));
        columns.push(Column::new(format!("{}_after", column.name), column.kind));
        if column.is_numeric {
            let change =
                if column.kind == ColumnType::Integer { ColumnType::Integer } else { ColumnType::Float };
            columns.push(Column::new(format!("{}_change", column.name), change));
            columns.push(Column::new(format!("{}_pct_change", column.name), ColumnType::Float));
        }
    }
    unique(columns)
}

/// A name within a result is its own: a repeated one gets `_2`.
fn unique(mut columns: Vec<Column>) -> Vec<Column> {
    for at in 1..columns.len() {
        let wanted = columns[at].name.clone();
        let mut count = 2;
        while columns[..at].iter().any(|column| column.name.eq_ignore_ascii_case(&columns[at].name)) {
            columns[at].name = format!("{wanted}_{count}");
            count += 1;
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(rows: &[(&str, Option<i64>)]) -> Table {
        Table {
            columns: vec![Column::new("name", ColumnType::Text), Column::new("flights", ColumnType::Integer)],
            rows: rows
                .iter()
                .map(|(name, flights)| {
                    vec![Cell::Text((*name).to_owned()), flights.map_or(Cell::Null, Cell::Int)]
                })
                .collect(),
            truncated: None,
        }
    }

    fn by_name(before: &Table, after: &Table) -> Result<Comparison, Problem> {
        compare(before, after, &["name".to_owned()], &[], QueryLimits::default())
    }

    #[test]
    fn what_was_added_is_gone_or_changed_is_told_with_by_how_much() {
        let before = table(&[("United", Some(412)), ("Delta", Some(48)), ("Mesa", Some(6)), ("Envoy", None)]);
        let after =
            table(&[("United", Some(431)), ("Delta", Some(48)), ("SkyWest", Some(3)), ("Envoy", Some(5))]);
        let Comparison { table, counts } = by_name(&before, &after).expect("a comparison");
        assert_eq!(counts, Counts { changed: 2, added: 1, gone: 1, same: 1 });
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(
            names,
            ["outcome", "name", "flights_before", "flights_after", "flights_change", "flights_pct_change"]
        );
        let text = |text: &str| Cell::Text(text.to_owned());
        assert_eq!(
            table.rows,
            [
                vec![
                    text("changed"),
                    text("United"),
                    Cell::Int(412),
                    Cell::Int(431),
                    Cell::Int(19),
                    Cell::Float(19.0 / 412.0)
                ],
                vec![text("changed"), text("Envoy"), Cell::Null, Cell::Int(5), Cell::Null, Cell::Null],
                vec![text("added"), text("SkyWest"), Cell::Null, Cell::Int(3), Cell::Null, Cell::Null],
                vec![text("gone"), text("Mesa"), Cell::Int(6), Cell::Null, Cell::Null, Cell::Null],
                vec![
                    text("same"),
                    text("Delta"),
                    Cell::Int(48),
                    Cell::Int(48),
                    Cell::Int(0),
                    Cell::Float(0.0)
                ],
            ]
        );
    }

    #[test]
    fn single_rows_need_no_key_and_several_do() {
        let one = |value: i64| Table {
            columns: vec![Column::new("flights", ColumnType::Integer)],
            rows: vec![vec![Cell::Int(value)]],
            truncated: None,
        };
        let found = compare(&one(412), &one(431), &[], &[], QueryLimits::default()).expect("a comparison");
        assert_eq!(found.table.rows[0][3], Cell::Int(19));
        let several = table(&[("a", Some(1)), ("b", Some(2))]);
        assert_eq!(
            compare(&several, &several, &[], &[], QueryLimits::default()),
            Err(Problem::NeedsKey { known: vec!["name".into(), "flights".into()] })
        );
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let some = table(&[("a", Some(1)), ("a", Some(2))]);
        assert!(
            matches!(by_name(&some, &some), Err(Problem::RepeatedKey { side: "older", key }) if key == "a")
        );
        let unknown = compare(&some, &some, &["nope".to_owned()], &[], QueryLimits::default());
        assert!(
            matches!(unknown, Err(Problem::UnknownColumn { side: "older", known, .. }) if known == ["name", "flights"])
        );
        let other = Table {
            columns: vec![Column::new("other", ColumnType::Text)],
            rows: vec![vec![Cell::Null]],
            truncated: None,
        };
        let apart = compare(&some, &other, &[], &[], QueryLimits::default());
        assert_eq!(apart, Err(Problem::NothingShared));
        let (one, two) = (table(&[("a", None)]), table(&[("b", None)]));
        let within = |rows, bytes| {
            let limits = QueryLimits { rows, bytes, ..QueryLimits::default() };
            compare(&one, &two, &["name".to_owned()], &[], limits)
        };
        assert_eq!(within(1, 1_000), Err(Problem::TooManyRows { rows: 2, limit: 1 }));
        // `["added","b",null,null,null,null]` and as much for "gone", of 33 and 32 bytes.
        assert_eq!(within(2, 64), Err(Problem::TooLarge { limit: 64 }));
        assert_eq!(within(2, 32), Err(Problem::TooLarge { limit: 32 }));
        assert!(within(2, 65).is_ok());
    }

    #[test]
    fn exact_numbers_are_compared_exactly_and_floating_ones_with_some_slack() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let (integer, decimal, float) = (ColumnType::Integer, ColumnType::Decimal, ColumnType::Float);
        for (kinds, before, after, is_same) in [
            ((integer, integer), Cell::Int(5_000_000_000), Cell::Int(5_000_000_003), false),
            ((decimal, decimal), text("5000000000.00"), text("5000000000.01"), false),
            ((decimal, decimal), text("12345678901234567890.1"), text("12345678901234567890.2"), false),
            ((decimal, decimal), text("12.50"), text("12.5"), true),
            ((decimal, decimal), text("-0.00"), text("0"), true),
            ((decimal, decimal), text("-1.5"), text("1.5"), false),
            ((decimal, decimal), text("100"), text("1"), false),
            ((decimal, decimal), text("NaN"), text("NaN"), true),
            ((integer, decimal), Cell::Int(7), text("7.000"), true),
            ((integer, decimal), Cell::Null, text(""), false),
            ((float, float), Cell::Float(0.1 + 0.2), Cell::Float(0.3), true),
            ((float, float), Cell::Float(5e9), Cell::Float(5e9 + 3.0), true),
            ((float, integer), Cell::Float(412.0), Cell::Int(413), false),
        ] {
            let one = |kind, cell: &Cell| Table {
                columns: vec![Column::new("revenue", kind)],
                rows: vec![vec![cell.clone()]],
                truncated: None,
            };
            let (older, newer) = (one(kinds.0, &before), one(kinds.1, &after));
            let found = compare(&older, &newer, &[], &[], QueryLimits::default()).expect("a comparison");
            assert_eq!(found.counts.same == 1, is_same, "{before:?} and {after:?}");
        }
    }

    #[test]
    fn types_that_differ_between_runs_do_not_make_values_differ() {
        let column = |kind, cell| Table {
            columns: vec![Column::new("id", ColumnType::Integer), Column::new("revenue", kind)],
            rows: vec![vec![Cell::Int(1), cell]],
            truncated: None,
        };
        let exact = column(ColumnType::Decimal, Cell::Text("12.50".into()));
        let rounded = column(ColumnType::Float, Cell::Float(12.5));
        let found =
            compare(&exact, &rounded, &["id".to_owned()], &[], QueryLimits::default()).expect("a comparison");
        assert_eq!(found.counts.same, 1, "{found:?}");
    }

    fn rows() -> impl Strategy<Value = Vec<(String, Option<i64>)>> {
        proptest::collection::btree_map("[a-e]{1,2}", proptest::option::of(-50_i64..50), 0..8)
            .prop_map(|rows| rows.into_iter().collect())
    }

    proptest! {
        #[test]
        fn every_key_is_told_of_once_and_turning_round_swaps_added_and_gone(before in rows(), after in rows()) {
            let of = |rows: &[(String, Option<i64>)]| {
                table(&rows.iter().map(|(name, flights)| (name.as_str(), *flights)).collect::<Vec<_>>())
            };
            let there = by_name(&of(&before), &of(&after)).expect("a comparison");
            let back = by_name(&of(&after), &of(&before)).expect("a comparison");
            let Counts { changed, added, gone, same } = there.counts;
            prop_assert_eq!(back.counts, Counts { changed, added: gone, gone: added, same });
            prop_assert_eq!(there.table.rows.len(), changed + added + gone + same);
            prop_assert_eq!(changed + same + gone, before.len());
            prop_assert_eq!(changed + same + added, after.len());
            for row in &there.table.rows {
                if let (Cell::Int(older), Cell::Int(newer), Cell::Int(change)) = (&row[2], &row[3], &row[4]) {
                    prop_assert_eq!(newer - older, *change);
                }
            }
        }
    }
}
