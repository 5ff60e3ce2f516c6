use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::table::{Column, ColumnType, Truncation};

fn condition(written: &Value) -> Condition {
    serde_json::from_value(written.clone()).unwrap_or_else(|error| panic!("{written}: {error}"))
}

fn table(columns: &[(&str, ColumnType)], rows: Vec<Vec<Cell>>) -> Table {
    let columns = columns.iter().map(|(name, kind)| Column::new(*name, *kind)).collect();
    Table { columns, rows, truncated: None }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

/// Airlines by flights, the most first.
fn ranking() -> Table {
    table(
        &[("name", ColumnType::Text), ("flights", ColumnType::Integer), ("share", ColumnType::Float)],
        vec![
            vec![text("United"), Cell::Int(412), Cell::Float(0.6)],
            vec![text("JetBlue"), Cell::Int(200), Cell::Float(0.4)],
        ],
    )
}

/// Revenue by day: `values`, of which the last is the latest, in no order.
fn series(values: &[f64]) -> Table {
    let day = |position: usize| chrono::NaiveDate::from_num_days_from_ce_opt(735_000 + position as i32);
    let mut rows: Vec<Vec<Cell>> = values
        .iter()
        .enumerate()
        .map(|(position, value)| vec![text(&day(position).expect("a day").to_string()), Cell::Float(*value)])
        .collect();
    rows.reverse();
    table(&[("day", ColumnType::Date), ("revenue", ColumnType::Float)], rows)
}

fn rows_of(table: &Table) -> CheckedRows<'_> {
    CheckedRows { id: Uuid::nil().into(), handle: "r1", table, column: None }
}

fn evaluate(written: &Value, table: &Table, history: &History) -> Check {
    let condition = condition(written);
    match measure(&condition, &rows_of(table)) {
        Ok(measured) => judge(&condition, &measured, history),
        Err(why) => Check::not_evaluated(why),
    }
}

/// Verdict and sentence.
fn told(written: &Value, table: &Table, history: &History) -> (Verdict, String) {
    let check = evaluate(written, table, history);
    (check.verdict, check.sentence)
}

fn after(value: f64) -> History {
    History { last_value: Some(value), ..History::default() }
}

fn known(values: &[f64]) -> History {
    History { last_value: values.last().copied(), values: values.to_vec(), ..History::default() }
}

#[test]
fn rows_are_counted() {
    let none = History::default();
    for (comparison, value, holds, sentence) in [
        ("above", 1, true, "2 rows, which is above 1"),
        ("above", 2, false, "2 rows, which is not above 2"),
        ("at_least", 2, true, "2 rows, which is at least 2"),
        ("below", 500, true, "2 rows, which is below 500"),
        ("at_most", 1, false, "2 rows, which is not at most 1"),
        ("equal", 2, true, "2 rows, which is equal to 2"),
    ] {
        let written = json!({"kind": "rows", "comparison": comparison, "value": value});
        assert_eq!(told(&written, &ranking(), &none), (Verdict::of(holds), sentence.to_owned()));
    }
    let check = evaluate(&json!({"kind": "rows", "comparison": "above", "value": 1}), &ranking(), &none);
    assert_eq!((check.compared.as_deref(), check.value), (Some("the rows of r1"), Some(2.0)));
    assert_eq!(check.column, None);
}

/// A cut result has more rows than are known: what may be otherwise is not claimed.
#[test]
fn of_a_cut_result_only_what_is_certain_is_said() {
    let mut cut = ranking();
    cut.truncated = Some(Truncation::Rows);
    let none = History::default();
    for (comparison, value, verdict) in [
        ("above", 1, Verdict::Holds),
        ("above", 2, Verdict::Holds),
        ("above", 3, Verdict::NotEvaluated),
        ("at_least", 3, Verdict::Holds),
        ("at_least", 4, Verdict::NotEvaluated),
        ("below", 3, Verdict::DoesNotHold),
        ("below", 4, Verdict::NotEvaluated),
        ("at_most", 2, Verdict::DoesNotHold),
        ("at_most", 3, Verdict::NotEvaluated),
        ("equal", 2, Verdict::DoesNotHold),
        ("equal", 3, Verdict::NotEvaluated),
    ] {
        let written = json!({"kind": "rows", "comparison": comparison, "value": value});
        assert_eq!(told(&written, &cut, &none).0, verdict, "{written}");
    }
    assert_eq!(told(&json!({"kind": "changed"}), &cut, &none).0, Verdict::NotEvaluated);
    let threshold = json!({"kind": "threshold", "comparison": "above", "value": 1});
    assert_eq!(told(&threshold, &cut, &none).0, Verdict::DoesNotHold, "the first row is there");
    let mut cut = series(&[1.0, 2.0]);
    cut.truncated = Some(Truncation::Bytes);
    assert_eq!(told(&threshold, &cut, &none).0, Verdict::NotEvaluated, "the latest one may not be");
}

#[test]
fn the_column_is_the_pinned_one_then_the_agents_then_the_last_of_numbers() {
    let table = ranking();
    let column = |pinned: Option<&str>, named: Option<&'static str>| {
        let mut written = json!({"kind": "threshold", "comparison": "above", "value": 0});
        if let Some(pinned) = pinned {
            written["column"] = json!(pinned);
        }
        let rows = CheckedRows { column: named, ..rows_of(&table) };
        measure(&condition(&written), &rows).map(|measure| measure.column.expect("a column"))
    };
    assert_eq!(column(None, None).as_deref(), Ok("share"));
    assert_eq!(column(None, Some("flights")).as_deref(), Ok("flights"));
    assert_eq!(column(Some("FLIGHTS"), Some("share")).as_deref(), Ok("flights"));
    assert_eq!(column(Some("revenue"), None), Err("r1 has no column revenue".into()));
    assert_eq!(column(Some("name"), None), Err("the column name of r1 holds no numbers".into()));
}

#[test]
fn the_value_is_the_first_rows_or_a_series_latest() {
    let pinned = json!({"kind": "threshold", "comparison": "below", "value": 500, "column": "flights"});
    let none = History::default();
    let check = evaluate(&pinned, &ranking(), &none);
    assert_eq!((check.verdict, check.sentence.as_str()), (Verdict::Holds, "flights 412 is below 500"));
    assert_eq!(check.compared.as_deref(), Some("flights in the first row of r1"));
    let any = json!({"kind": "threshold", "comparison": "below", "value": 500});
    let check = evaluate(&any, &series(&[100.0, 700.0]), &none);
    assert_eq!(
        (check.verdict, check.sentence.as_str()),
        (Verdict::DoesNotHold, "revenue 700 is not below 500")
    );
    assert_eq!(check.compared.as_deref(), Some("revenue in the latest row of r1 by day"));
    let check = evaluate(&any, &series(&[100.0]), &none);
    assert_eq!(check.compared.as_deref(), Some("revenue in the only row of r1"));
    // Two values of one day are no series: the first row counts.
    let mut twice = series(&[1.0, 2.0, 3.0]);
    twice.rows[1][0] = twice.rows[0][0].clone();
    assert_eq!(evaluate(&any, &twice, &none).value, Some(3.0));
}

#[test]
fn what_is_not_there_is_said_and_never_silent() {
    let none = History::default();
    let any = json!({"kind": "threshold", "comparison": "below", "value": 500});
    let empty = table(&[("revenue", ColumnType::Float)], vec![]);
    assert_eq!(told(&any, &empty, &none), (Verdict::NotEvaluated, "r1 has no rows".into()));
    let null = table(&[("revenue", ColumnType::Float)], vec![vec![Cell::Null]]);
    let why = "revenue in the only row of r1 is empty";
    assert_eq!(told(&any, &null, &none), (Verdict::NotEvaluated, why.into()));
    let words = table(&[("name", ColumnType::Text)], vec![vec![text("412")]]);
    assert_eq!(told(&any, &words, &none), (Verdict::NotEvaluated, "r1 has no column of numbers".into()));
    let decimal = table(&[("revenue", ColumnType::Decimal)], vec![vec![text("412.50")]]);
    assert_eq!(told(&any, &decimal, &none), (Verdict::Holds, "revenue 412.5 is below 500".into()));
}

#[test]
fn a_change_in_per_cent_is_of_the_last_value() {
    let now = table(&[("daily_revenue", ColumnType::Integer)], vec![vec![Cell::Int(412)]]);
    for (direction, percent, last, verdict, sentence) in [
        ("up", 10.0, 366.0, Verdict::Holds, "daily revenue 412 is up 12.57% from 366"),
        (
            "up",
            20.0,
            366.0,
            Verdict::DoesNotHold,
            "daily revenue 412 is up 12.57% from 366, not up by at least 20%",
        ),
        (
            "down",
            10.0,
            366.0,
            Verdict::DoesNotHold,
            "daily revenue 412 is up 12.57% from 366, not down by at least 10%",
        ),
        ("down", 10.0, 824.0, Verdict::Holds, "daily revenue 412 is down 50% from 824"),
        ("either", 50.0, 824.0, Verdict::Holds, "daily revenue 412 is down 50% from 824"),
        (
            "either",
            1.0,
            412.0,
            Verdict::DoesNotHold,
            "daily revenue 412 is what it was, not up or down by at least 1%",
        ),
        ("up", 500.0, 0.0, Verdict::Holds, "daily revenue 412 is up from 0"),
        ("up", 150.0, -412.0, Verdict::Holds, "daily revenue 412 is up 200% from -412"),
    ] {
        let written = json!({"kind": "percent_change", "direction": direction, "percent": percent});
        assert_eq!(told(&written, &now, &after(last)), (verdict, sentence.to_owned()));
    }
    let written = json!({"kind": "percent_change", "direction": "up", "percent": 1});
    let check = evaluate(&written, &now, &after(400.0));
    assert_eq!((check.value, check.previous), (Some(412.0), Some(400.0)));
    let (verdict, sentence) = told(&written, &now, &History::default());
    assert_eq!(verdict, Verdict::First);
    assert_eq!(sentence, "daily revenue 412, and there is no earlier run to compare with");
}

#[test]
fn rows_change_as_a_multiset() {
    let changed = json!({"kind": "changed"});
    let history = |table: &Table| History {
        last_value: Some(table.rows.len() as f64),
        last_digest: Some(digest(table).to_vec()),
        values: vec![],
    };
    let (verdict, sentence) = told(&changed, &ranking(), &History::default());
    assert_eq!(
        (verdict, sentence.as_str()),
        (Verdict::First, "2 rows, and there is no earlier run to compare with")
    );
    let mut other = ranking();
    other.rows.reverse();
    assert_eq!(
        told(&changed, &ranking(), &history(&other)),
        (Verdict::DoesNotHold, "2 rows, the same as last time's".into())
    );
    other.rows[0][1] = Cell::Int(7);
    assert_eq!(
        told(&changed, &ranking(), &history(&other)),
        (Verdict::Holds, "2 rows, not the same as last time's".into())
    );
    // How often a row is there counts.
    other = ranking();
    other.rows.push(other.rows[0].clone());
    assert_eq!(
        told(&changed, &ranking(), &history(&other)),
        (Verdict::Holds, "2 rows, where there were 3 last time".into())
    );
    // The last digits of a sum do not.
    other = ranking();
    other.rows[0][2] = Cell::Float(0.600_000_000_000_000_1);
    assert_eq!(told(&changed, &ranking(), &history(&other)).0, Verdict::DoesNotHold);
}

#[test]
fn an_anomaly_lies_outside_what_its_history_allows() {
    let anomaly = json!({"kind": "anomaly"});
    let one = |value: f64| table(&[("revenue", ColumnType::Float)], vec![vec![Cell::Float(value)]]);
    let usual = [500.0, 510.0, 490.0, 505.0, 495.0, 502.0, 498.0];
    assert_eq!(told(&anomaly, &one(503.0), &known(&usual)).0, Verdict::DoesNotHold);
    let (verdict, sentence) = told(&anomaly, &one(412.0), &known(&usual));
    assert_eq!(verdict, Verdict::Holds);
    assert_eq!(sentence, "revenue 412 lies outside 474.05 to 525.95, which the 7 runs before allow");
    // One outlier in the history does not hide the next.
    let mut spoilt = usual.to_vec();
    spoilt.push(90_000.0);
    assert_eq!(told(&anomaly, &one(412.0), &known(&spoilt)).0, Verdict::Holds);
    // Where all were the same, a hundredth of it is still the same.
    assert_eq!(told(&anomaly, &one(504.0), &known(&[500.0; 9])).0, Verdict::DoesNotHold);
    assert_eq!(told(&anomaly, &one(506.0), &known(&[500.0; 9])).0, Verdict::Holds);
    assert_eq!(told(&anomaly, &one(412.0), &History::default()).0, Verdict::First);
    let (verdict, sentence) = told(&anomaly, &one(412.0), &known(&usual[..6]));
    assert_eq!(verdict, Verdict::NotEvaluated);
    assert!(sentence.ends_with("of which there are 6"), "{sentence}");
}

#[test]
fn a_series_is_its_own_history() {
    let anomaly = json!({"kind": "anomaly"});
    let values = [500.0, 510.0, 490.0, 505.0, 495.0, 502.0, 498.0, 412.0];
    let (verdict, sentence) = told(&anomaly, &series(&values), &History::default());
    assert_eq!(verdict, Verdict::Holds);
    assert_eq!(sentence, "revenue 412 lies outside 474.05 to 525.95, which the 7 rows before it allow");
    // One that is too short falls back on the runs before.
    assert_eq!(told(&anomaly, &series(&values[..4]), &known(&[505.0; 7])).0, Verdict::DoesNotHold);
}

#[test]
fn no_data_is_no_rows_or_nothing_but_nulls() {
    let no_data = json!({"kind": "no_data"});
    let none = History::default();
    let with = |rows| table(&[("a", ColumnType::Integer), ("b", ColumnType::Text)], rows);
    assert_eq!(told(&no_data, &with(vec![]), &none), (Verdict::Holds, "r1 has no rows".into()));
    assert_eq!(told(&no_data, &with(vec![vec![Cell::Null, Cell::Null]]), &none).0, Verdict::Holds);
    let some = with(vec![vec![Cell::Null, Cell::Null], vec![Cell::Int(0), Cell::Null]]);
    assert_eq!(told(&no_data, &some, &none), (Verdict::DoesNotHold, "r1 has 2 rows".into()));
    // What was cut off may have been a value.
    for (rows, verdict) in [
        (vec![], Verdict::NotEvaluated),
        (vec![vec![Cell::Null, Cell::Null]], Verdict::NotEvaluated),
        (vec![vec![Cell::Int(0), Cell::Null]], Verdict::DoesNotHold),
    ] {
        let cut = Table { truncated: Some(Truncation::Bytes), ..with(rows) };
        assert_eq!(told(&no_data, &cut, &none).0, verdict);
    }
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        Just(Cell::Null),
        any::<bool>().prop_map(Cell::Bool),
        any::<i64>().prop_map(Cell::Int),
        (-1e9..1e9).prop_map(Cell::Float),
        "[a-z0-9.:TZ-]{0,12}".prop_map(Cell::Text),
    ]
}

fn kind() -> impl Strategy<Value = ColumnType> {
    prop::sample::select(vec![
        ColumnType::Boolean,
        ColumnType::Integer,
        ColumnType::Float,
        ColumnType::Decimal,
        ColumnType::Text,
        ColumnType::Date,
        ColumnType::TimestampTz,
        ColumnType::Json,
    ])
}

fn any_table() -> impl Strategy<Value = Table> {
    (prop::collection::vec(kind(), 0..4), any::<Option<bool>>()).prop_flat_map(|(kinds, cut)| {
        let row = prop::collection::vec(cell(), kinds.len());
        prop::collection::vec(row, 0..6).prop_map(move |rows| Table {
            columns: kinds
                .iter()
                .enumerate()
                .map(|(at, kind)| Column::new(format!("c{at}"), *kind))
                .collect(),
            rows,
            truncated: cut.map(|by_rows| if by_rows { Truncation::Rows } else { Truncation::Bytes }),
        })
    })
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let comparison = prop::sample::select(vec!["above", "below", "at_least", "at_most", "equal"]);
    let direction = prop::sample::select(vec!["up", "down", "either"]);
    let column = prop::option::of(prop::sample::select(vec!["c0", "c1", "C2", "gone"]));
    let written = prop_oneof![
        (comparison.clone(), 0..4_u8).prop_map(
            |(comparison, value)| json!({"kind": "rows", "comparison": comparison, "value": value})
        ),
        (comparison, -10.0..10.0, column.clone()).prop_map(|(comparison, value, column)| {
            json!({"kind": "threshold", "comparison": comparison, "value": value, "column": column})
        }),
        (direction, 0.1..200.0, column.clone()).prop_map(|(direction, percent, column)| {
            json!({"kind": "percent_change", "direction": direction, "percent": percent, "column": column})
        }),
        Just(json!({"kind": "changed"})),
        column.prop_map(|column| json!({"kind": "anomaly", "column": column})),
        Just(json!({"kind": "no_data"})),
    ];
    written.prop_map(|written| condition(&written))
}

proptest! {
    /// Nothing makes a check panic, and silence takes a condition that was read off the rows and compared.
    #[test]
    fn silence_takes_a_value_that_was_compared(
        condition in any_condition(),
        table in any_table(),
        last in prop::option::of(-1e6..1e6_f64),
        values in prop::collection::vec(-1e6..1e6_f64, 0..12),
    ) {
        let history = History { last_value: last, last_digest: last.map(|_| vec![0; 32]), values };
        match measure(&condition, &rows_of(&table)) {
            Err(why) => prop_assert!(!why.is_empty()),
            Ok(measured) => {
                let check = judge(&condition, &measured, &history);
                prop_assert!(!check.sentence.is_empty() && check.compared.is_some());
                if !check.verdict.sends() {
                    prop_assert!(check.value.is_some());
                    prop_assert!(!table.rows.is_empty() || !condition.needs_value());
                }
                // The same rows give the same check.
                prop_assert_eq!(check, judge(&condition, &measured, &history));
            }
        }
    }

    /// The order of rows makes no difference to their digest; one cell more or other does.
    #[test]
    fn a_digest_is_of_a_multiset(table in any_table(), seed in any::<u64>(), at in any::<prop::sample::Index>()) {
        let mut other = table.clone();
        let count = other.rows.len();
        if count > 1 {
            for position in 0..count {
                other.rows.swap(position, ((seed >> (position % 60)) as usize + position) % count);
            }
        }
        prop_assert_eq!(digest(&table), digest(&other));
        if count > 0 && !table.columns.is_empty() {
            let row = at.index(count);
            other.rows[row][0] = Cell::Text("a value that is in no table".into());
            prop_assert_ne!(digest(&table), digest(&other));
            other.rows.remove(row);
            prop_assert_ne!(digest(&table), digest(&other));
        }
    }

    /// Exactly one of above, below and equal holds, and each has its opposite.
    #[test]
    fn comparisons_are_an_order(left in -1e12..1e12_f64, right in -1e12..1e12_f64) {
        use crate::condition::Comparison::{Above, AtLeast, AtMost, Below, Equal};
        let holds = [Above, Below, Equal].iter().filter(|comparison| comparison.holds(left, right)).count();
        prop_assert_eq!(holds, 1);
        prop_assert_eq!(AtLeast.holds(left, right), !Below.holds(left, right));
        prop_assert_eq!(AtMost.holds(left, right), !Above.holds(left, right));
        prop_assert!(Equal.holds(left, left));
    }

    /// What is allowed moves and grows with the values, and what is further out is no more usual.
    #[test]
    fn an_anomaly_does_not_depend_on_the_unit(
        values in prop::collection::vec(-1e4..1e4_f64, 7..30),
        factor in 0.01..100.0_f64,
    ) {
        let (from, to) = allowed_by(&values);
        prop_assert!(from <= to);
        let middle = f64::midpoint(from, to);
        prop_assert!(values.iter().any(|value| *value >= from && *value <= to), "the middle is usual");
        let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
        let (scaled_from, scaled_to) = allowed_by(&scaled);
        let near = |left: f64, right: f64| (left - right).abs() <= 1e-6 * (1.0 + left.abs().max(right.abs()));
        prop_assert!(near(scaled_from, from * factor) && near(scaled_to, to * factor));
        let negated: Vec<f64> = values.iter().map(|value| -value).collect();
        let (negated_from, negated_to) = allowed_by(&negated);
        prop_assert!(near(negated_from, -to) && near(negated_to, -from));
        prop_assert!(near(middle, median(values)));
    }

    /// The greater the change asked for, the less often it holds.
    #[test]
    fn asking_for_less_change_never_silences(
        now in -1e6..1e6_f64, last in -1e6..1e6_f64, percent in 0.1..500.0_f64, less in 0.01..1.0_f64,
    ) {
        let table = table(&[("value", ColumnType::Float)], vec![vec![Cell::Float(now)]]);
        for direction in ["up", "down", "either"] {
            let ask = |percent: f64| {
                told(&json!({"kind": "percent_change", "direction": direction, "percent": percent}), &table, &after(last)).0
            };
            prop_assert!(!ask(percent).eq(&Verdict::Holds) || ask(percent * less) == Verdict::Holds);
        }
    }
}
