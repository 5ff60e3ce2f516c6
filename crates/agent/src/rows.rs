//! Whether two results have the same rows.
//!
//! Columns go by their names, or by their places where the names differ. Rows are held against each other as multisets, whatever their
//! order: grouped by all cells that are exact, and within a group number by number, since databases add up in any order.

use std::{cmp::Ordering, collections::HashMap};

use chrono::NaiveDateTime;
use domain::table::{Cell, ColumnType, Table};

/// Numbers agree when they differ by at most this share of the larger one.
const TOLERANCE: f64 = 1e-6;
/// The most cells that are held against each other: about a second of work.
const CELLS_MAX: usize = 5_000_000;

/// What came of two results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// The same rows; where both were cut, as far as they were read.
    Same {
        /// Whether both were cut.
        is_cut: bool,
    },
    /// Other rows.
    Other,
    /// A result was cut, and what was read of it differs: whether the whole does is not known.
    Cut,
    /// To tell takes more work than is done here.
    TooMany,
}

/// Whether `table` has the rows of `reference`. Columns that the reference does not have are not looked at. This takes a while for large
/// results, at most that of [`CELLS_MAX`] cells: it is no work for a thread that others wait for.
pub(crate) fn compare(reference: &Table, table: &Table) -> Rows {
    let differ = match (reference.truncated, table.truncated) {
        (None, None) => Rows::Other,
        _ => Rows::Cut,
    };
    let cells = (reference.rows.len() + table.rows.len()).saturating_mul(reference.columns.len());
    if cells > CELLS_MAX {
        return Rows::TooMany;
    }
    let Some(columns) = paired(reference, table) else { return differ };
    if reference.rows.len() != table.rows.len() {
        return differ;
    }
    let mut groups: HashMap<Vec<Exact<'_>>, [Vec<Vec<f64>>; 2]> = HashMap::new();
    for (side, rows) in [&reference.rows, &table.rows].into_iter().enumerate() {
        for row in rows {
            let (exact, numbers) = split(row, &columns, side);
            groups.entry(exact).or_default()[side].push(numbers);
        }
    }
    let mut work_left = CELLS_MAX;
    for [one, other] in groups.into_values() {
        match have_same_numbers(one, other, &mut work_left) {
            Some(true) => {}
            Some(false) => return differ,
            None => return Rows::TooMany,
        }
    }
    Rows::Same { is_cut: reference.truncated.is_some() || table.truncated.is_some() }
}

/// A column of each result, and how their cells are held against each other.
struct Pair {
    at: [usize; 2],
    /// Numbers that need not be exactly the same.
    is_measured: bool,
    is_temporal: bool,
}

/// The columns that belong together: by name, or by place where some name is missing and both have as many columns.
fn paired(reference: &Table, table: &Table) -> Option<Vec<Pair>> {
    let by_name: Option<Vec<usize>> =
        reference.columns.iter().map(|column| table.column_index(&column.name)).collect();
    let has_each_once = |places: &Vec<usize>| {
        let mut places = places.clone();
        places.sort_unstable();
        places.windows(2).all(|two| two[0] != two[1])
    };
    let by_place =
        || (reference.columns.len() == table.columns.len()).then(|| (0..table.columns.len()).collect());
    let places = by_name.filter(has_each_once).or_else(by_place)?;
    let pair = |(at, other): (usize, usize)| {
        let kinds = [reference.columns[at].kind, table.columns[other].kind];
        Pair {
            at: [at, other],
            is_measured: kinds.iter().all(|kind| kind.is_numeric()) && kinds != [ColumnType::Integer; 2],
            is_temporal: kinds.iter().all(|kind| kind.is_temporal()),
        }
    };
    Some(places.into_iter().enumerate().map(pair).collect())
}

/// A cell that agrees with nothing but its like.
#[derive(PartialEq, Eq, Hash)]
enum Exact<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// The bits of a number in a column that is none in the other result.
    Bits(u64),
    Text(&'a str),
    Moment(NaiveDateTime),
    /// A number that is held against others within its group.
    Measured,
}

/// A row's cells that must be equal, and its numbers that must be near.
fn split<'a>(row: &'a [Cell], columns: &[Pair], side: usize) -> (Vec<Exact<'a>>, Vec<f64>) {
    let mut exact = Vec::with_capacity(columns.len());
    let mut numbers = Vec::new();
    for pair in columns {
        let cell = &row[pair.at[side]];
        if pair.is_measured
            && let Some(number) = cell.as_f64()
        {
            numbers.push(number);
            exact.push(Exact::Measured);
            continue;
        }
        exact.push(match cell {
            Cell::Null => Exact::Null,
            Cell::Bool(value) => Exact::Bool(*value),
            Cell::Int(value) => Exact::Int(*value),
            Cell::Float(value) => Exact::Bits(value.to_bits()),
            Cell::Text(text) => {
                let moment = if pair.is_temporal { moment(text) } else { None };
                moment.map_or(Exact::Text(text), Exact::Moment)
            }
        });
    }
    (exact, numbers)
}

/// Whether two groups of rows have near numbers, each row with one of the other group; `None` where the work for it is used up.
fn have_same_numbers(
    mut one: Vec<Vec<f64>>,
    mut other: Vec<Vec<f64>>,
    work_left: &mut usize,
) -> Option<bool> {
    if one.len() != other.len() {
        return Some(false);
    }
    let in_order = |one: &Vec<f64>, other: &Vec<f64>| {
        let orders = one.iter().zip(other).map(|(one, other)| one.total_cmp(other));
        orders.fold(Ordering::Equal, Ordering::then)
    };
    one.sort_unstable_by(in_order);
    other.sort_unstable_by(in_order);
    let agree = |one: &[f64], other: &[f64]| one.iter().zip(other).all(|(one, other)| is_near(*one, *other));
    if one.iter().zip(&other).all(|(one, other)| agree(one, other)) {
        return Some(true);
    }
    // Numbers that are near but not equal may have sorted otherwise: each row looks for its like.
    for row in &one {
        let at = other.iter().position(|candidate| agree(row, candidate));
        let looked_at = at.map_or(other.len(), |at| at + 1);
        *work_left = work_left.checked_sub(looked_at.saturating_mul(row.len().max(1)))?;
        let Some(at) = at else { return Some(false) };
        other.swap_remove(at);
    }
    Some(true)
}

pub(crate) fn is_near(one: f64, two: f64) -> bool {
    (one - two).abs() <= TOLERANCE * one.abs().max(two.abs())
}

/// A date or time however it is written; a date is its midnight.
pub(crate) fn moment(text: &str) -> Option<NaiveDateTime> {
    let text =
        text.trim_end_matches('Z').trim_end_matches("+00:00").trim_end_matches("+00").replace('T', " ");
    NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f")
        .ok()
        .or_else(|| text.parse::<chrono::NaiveDate>().ok()?.and_hms_opt(0, 0, 0))
}

#[cfg(test)]
mod tests {
    use domain::table::{Column, Truncation};

    use super::*;

    const SAME: Rows = Rows::Same { is_cut: false };

    fn table(columns: &[(&str, ColumnType)], rows: Vec<Vec<Cell>>) -> Table {
        let columns = columns.iter().map(|(name, kind)| Column::new(*name, *kind)).collect();
        Table { columns, rows, truncated: None }
    }

    fn shares(rows: &[(&str, f64)]) -> Table {
        let rows = rows.iter().map(|(name, share)| vec![Cell::Text((*name).into()), Cell::Float(*share)]);
        table(&[("name", ColumnType::Text), ("share", ColumnType::Float)], rows.collect())
    }

    #[test]
    fn rows_are_a_multiset_with_near_numbers() {
        let one = shares(&[("a", 0.5), ("b", 0.25), ("b", 1.0 / 3.0)]);
        assert_eq!(compare(&one, &shares(&[("b", 0.333_333_333_3), ("a", 0.5), ("b", 0.25)])), SAME);
        for other in [
            shares(&[("a", 0.5), ("b", 0.25), ("b", 0.25)]),
            shares(&[("b", 0.5), ("a", 0.25), ("b", 1.0 / 3.0)]),
            shares(&[("a", 0.5), ("b", 0.25)]),
            shares(&[("a", 0.5), ("b", 0.25), ("b", 0.34)]),
        ] {
            assert_eq!(compare(&one, &other), Rows::Other, "{other:?}");
        }
        // What rounding does to the order of near numbers.
        let two = |first: [f64; 2], second: [f64; 2]| {
            let row = |row: [f64; 2]| row.map(Cell::Float).to_vec();
            table(&[("x", ColumnType::Float), ("y", ColumnType::Float)], vec![row(first), row(second)])
        };
        assert_eq!(
            compare(&two([0.3, 1.0], [0.300_000_000_01, 2.0]), &two([0.3, 2.0], [0.300_000_000_01, 1.0])),
            SAME
        );
    }

    #[test]
    fn columns_go_by_name_and_else_by_place() {
        let (text, whole) = (ColumnType::Text, ColumnType::Integer);
        let row = |cells: &[Cell]| vec![cells.to_vec()];
        let (a, one, two) = (Cell::Text("a".into()), Cell::Int(1), Cell::Int(2));
        let reference =
            table(&[("n", whole), ("m", whole), ("name", text)], row(&[one.clone(), two.clone(), a.clone()]));
        let renamed = |names: [&str; 3]| {
            let columns = [(names[0], whole), (names[1], whole), (names[2], text)];
            table(&columns, row(&[one.clone(), two.clone(), a.clone()]))
        };
        assert_eq!(compare(&reference, &renamed(["count", "other", "airline"])), SAME);
        // The same cells under each other's names are other rows.
        assert_eq!(compare(&reference, &renamed(["m", "n", "name"])), Rows::Other);
        let more = [("extra", text), ("NAME", text), ("m", whole), ("n", whole)];
        let cells = [Cell::Text("x".into()), a.clone(), two.clone(), one.clone()];
        assert_eq!(compare(&reference, &table(&more, row(&cells))), SAME);
        assert_eq!(
            compare(&reference, &table(&[("n", whole)], row(std::slice::from_ref(&one)))),
            Rows::Other
        );
    }

    #[test]
    fn what_was_cut_is_the_same_only_as_far_as_it_was_read() {
        let whole = shares(&[("a", 0.5), ("b", 0.25)]);
        let cut = Table { truncated: Some(Truncation::Rows), ..whole.clone() };
        assert_eq!(compare(&cut, &cut), Rows::Same { is_cut: true });
        assert_eq!(compare(&cut, &shares(&[("a", 0.5), ("c", 0.25)])), Rows::Cut);
        assert_eq!(compare(&shares(&[("a", 0.5)]), &cut), Rows::Cut);
    }

    /// Every choice of fifteen alike columns would be 15! of them, and each row against each other 10,000,000,000.
    #[test]
    fn wide_and_long_results_take_no_time_to_speak_of() {
        let names: Vec<String> = (0..15).map(|n| format!("flag {n}")).collect();
        let columns: Vec<_> = names.iter().map(|name| (name.as_str(), ColumnType::Boolean)).collect();
        let flags = |shift: usize| {
            let row = |n: usize| (0..15).map(|at| Cell::Bool((n + at * shift).is_multiple_of(2))).collect();
            table(&columns, (0..200).map(row).collect())
        };
        assert_eq!(compare(&flags(1), &flags(1)), SAME);
        assert_eq!(compare(&flags(1), &flags(2)), Rows::Other);
        let long = |add: f64| {
            let row = |n: u32| vec![Cell::Float(f64::from(n) + add)];
            table(&[("x", ColumnType::Float)], (0..100_000).map(row).collect())
        };
        assert_eq!(compare(&long(0.5), &long(0.500_000_001)), SAME);
        assert_eq!(compare(&long(0.5), &long(0.75)), Rows::Other);
        let hopeless = |is_turned: bool| {
            let y = |n: u32| f64::from(if is_turned { 99_999 - n } else { n });
            let row = |n: u32| vec![Cell::Float(1.0 + f64::from(n) * 1e-15), Cell::Float(y(n))];
            let columns = [("x", ColumnType::Float), ("y", ColumnType::Float)];
            table(&columns, (0..100_000).map(row).collect())
        };
        assert_eq!(compare(&hopeless(false), &hopeless(true)), Rows::TooMany);
    }

    /// With only the first 200 rows looked at, this is the same.
    #[test]
    fn every_row_counts() {
        let long = |last: i64| {
            let rows = (0..1_000).map(|n| vec![Cell::Int(if n == 999 { last } else { n })]);
            table(&[("n", ColumnType::Integer)], rows.collect())
        };
        assert_eq!(compare(&long(999), &long(999)), SAME);
        assert_eq!(compare(&long(999), &long(0)), Rows::Other);
    }
}
