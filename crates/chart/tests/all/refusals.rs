//! What a spec may not say, and how the refusal tells a model to mend it.

use crate::samples::{carriers, origins, table, text};
use chart::{Error, MAX_ROWS, Options};
use domain::table::{Cell, ColumnType, Table};
use serde_json::{Value, json};

fn refuse(spec: &Value, table: &Table) -> Error {
    match chart::prepare(spec, table, &Options::default()) {
        Ok(prepared) => panic!("{spec} was accepted as {}", prepared.vega_lite),
        Err(failure) => failure,
    }
}

/// The place, and message and hint together.
fn refusal(spec: &Value, table: &Table) -> (String, String) {
    match refuse(spec, table) {
        Error::Spec { at, problem, hint } => (at, format!("{problem}. {hint}")),
        other => panic!("{spec} failed otherwise: {other}"),
    }
}

#[test]
fn whatever_could_load_run_or_react_is_refused() {
    let bar = json!({"x": {"field": "origin"}, "y": {"field": "flights"}});
    let hostile = [
        // Data from elsewhere.
        (
            "data",
            json!({"data": {"url": "file:///etc/passwd", "format": {"type": "csv"}}, "mark": "bar", "encoding": bar}),
        ),
        (
            "data",
            json!({"data": {"sequence": {"start": 0, "stop": 1_000_000_000, "as": "a"}}, "mark": "point", "encoding": bar}),
        ),
        (
            "data",
            json!({"data": {"values": [{"origin": "X", "flights": 1}]}, "mark": "bar", "encoding": bar}),
        ),
        ("datasets", json!({"datasets": {"a": []}, "mark": "bar", "encoding": bar})),
        (
            "layer[0].data",
            json!({"layer": [{"data": {"url": "http://169.254.169.254/"}, "mark": "bar", "encoding": bar}]}),
        ),
        (
            "transform[0]",
            json!({"transform": [{"lookup": "origin", "from": {"data": {"url": "x"}, "key": "a"}}], "mark": "bar", "encoding": bar}),
        ),
        // Expressions.
        (
            "transform[0]",
            json!({"transform": [{"calculate": "datum.constructor.constructor('return globalThis')()", "as": "b"}], "mark": "text", "encoding": bar}),
        ),
        (
            "transform[0]",
            json!({"transform": [{"calculate": "toString(datum['constructor']['constructor'])", "as": "b"}], "mark": "bar", "encoding": bar}),
        ),
        (
            "transform[0]",
            json!({"transform": [{"calculate": "test(/^(a+)+$/, datum.a)", "as": "b"}], "mark": "bar", "encoding": bar}),
        ),
        (
            "transform[0]",
            json!({"transform": [{"calculate": "pad('x', 900000000, 'y')", "as": "b"}], "mark": "bar", "encoding": bar}),
        ),
        (
            "transform[0]",
            json!({"transform": [{"calculate": "length(sequence(0,1e9))", "as": "b"}], "mark": "bar", "encoding": bar}),
        ),
        (
            "transform[0].filter",
            json!({"transform": [{"filter": "datum.flights > 1"}], "mark": "bar", "encoding": bar}),
        ),
        (
            "transform[0].filter.and",
            json!({"transform": [{"filter": {"and": ["datum.flights > 1"]}}], "mark": "bar", "encoding": bar}),
        ),
        ("mark.size", json!({"mark": {"type": "point", "size": {"expr": "1"}}, "encoding": bar})),
        ("mark.opacity", json!({"mark": {"type": "bar", "opacity": {"signal": "1"}}, "encoding": bar})),
        (
            "encoding.x.axis.labelExpr",
            json!({"mark": "bar", "encoding": {"x": {"field": "origin", "axis": {"labelExpr": "datum.label"}}, "y": {"field": "flights"}}}),
        ),
        (
            "encoding.color.condition.test",
            json!({"mark": "bar", "encoding": {"x": {"field": "origin"}, "y": {"field": "flights"}, "color": {"condition": {"test": "datum.flights > 1", "value": "red"}, "value": "gray"}}}),
        ),
        (
            "encoding.y.scale.domainMin",
            json!({"mark": "bar", "encoding": {"x": {"field": "origin"}, "y": {"field": "flights", "scale": {"domainMin": {"expr": "0"}}}}}),
        ),
        (
            "encoding.y.datum",
            json!({"mark": "rule", "encoding": {"y": {"datum": {"expr": "1"}}, "x": {"field": "origin"}}}),
        ),
        // Pictures, links and hidden freight.
        ("mark", json!({"mark": "image", "encoding": {"url": {"field": "origin"}}})),
        ("mark.type", json!({"mark": {"type": "image"}, "encoding": bar})),
        ("mark.href", json!({"mark": {"type": "bar", "href": "javascript:alert(1)"}, "encoding": bar})),
        (
            "encoding.href",
            json!({"mark": "bar", "encoding": {"href": {"field": "origin"}, "x": {"field": "origin"}}}),
        ),
        ("encoding.url", json!({"mark": "point", "encoding": {"url": {"value": "file:///etc/passwd"}}})),
        ("mark.shape", json!({"mark": {"type": "point", "shape": "M0,0L1e9,1e9"}, "encoding": bar})),
        (
            "mark.color",
            json!({"mark": {"type": "bar", "color": "url(http://example.com/x)"}, "encoding": bar}),
        ),
        ("usermeta", json!({"usermeta": {"embedOptions": {"loader": {}}}, "mark": "bar", "encoding": bar})),
        ("params", json!({"params": [{"name": "p", "expr": "1"}], "mark": "bar", "encoding": bar})),
        ("signals", json!({"signals": [], "mark": "bar", "encoding": bar})),
        ("projection", json!({"projection": {"type": "mercator"}, "mark": "geoshape", "encoding": bar})),
        ("hconcat", json!({"hconcat": [{"mark": "bar", "encoding": bar}]})),
        ("repeat", json!({"repeat": ["origin"], "spec": {"mark": "bar", "encoding": bar}})),
    ];
    for (place, spec) in hostile {
        let (at, _) = refusal(&spec, &origins());
        assert_eq!(at, place, "for {spec}");
    }
}

#[test]
fn what_the_theme_decides_is_left_out_without_a_word() {
    let spec = json!({
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json", "width": "container", "autosize": "fit",
        "config": {"background": "url(http://example.com)", "signals": [{"name": "x"}]},
        "mark": {"type": "bar", "style": "x", "font": "Comic Sans"},
        "encoding": {
            "x": {"field": "origin", "axis": {"labelFontSize": 40, "titleColor": "url(#x)"}},
            "y": {"field": "flights"},
            "color": {"field": "origin", "scale": {"scheme": "rainbow", "range": ["url(#x)"]}}}
    });
    let prepared = chart::prepare(&spec, &origins(), &Options::default()).expect("a chart");
    let vega = prepared.vega.to_string();
    for left_out in ["example.com", "Comic", "url(", "rainbow", "\"labelFontSize\":40"] {
        assert!(!vega.contains(left_out), "{left_out} came through");
    }
}

#[test]
fn an_unknown_column_is_answered_by_the_list_of_columns() {
    let spec = json!({"mark": "bar", "encoding": {"x": {"field": "carrier"}, "y": {"field": "flights"}}});
    let (at, words) = refusal(&spec, &origins());
    assert_eq!(at, "encoding.x.field");
    assert_eq!(words, "there is no column `carrier`. The columns are: `avg_delay`, `flights`, `origin`.");
}

#[test]
fn a_type_that_does_not_suit_the_column_says_which_does() {
    let temporal = json!({"mark": "line", "encoding": {"x": {"field": "origin", "type": "temporal"}, "y": {"field": "flights"}}});
    let (at, words) = refusal(&temporal, &origins());
    assert_eq!(at, "encoding.x");
    assert!(words.contains("holds no dates") && words.contains("`ordinal`"), "{words}");

    let number = json!({"mark": "bar", "encoding": {"x": {"field": "flights"}, "y": {"field": "origin", "type": "quantitative"}}});
    let (_, words) = refusal(&number, &origins());
    assert!(words.contains("holds no numbers") && words.contains("`nominal`"), "{words}");

    let sum = json!({"mark": "bar", "encoding": {"x": {"field": "flights"}, "y": {"aggregate": "sum", "field": "origin"}}});
    assert!(refusal(&sum, &origins()).1.contains("holds no numbers"));

    let year = table(&[("year", ColumnType::Integer)], vec![vec![Cell::Int(2025)]]);
    let (_, words) =
        refusal(&json!({"mark": "line", "encoding": {"x": {"field": "year", "type": "temporal"}}}), &year);
    assert!(words.contains("make a real date of it in SQL"), "{words}");
}

#[test]
fn values_out_of_range_name_the_allowed_ones() {
    let mark = refusal(&json!({"mark": "pie", "encoding": {"theta": {"field": "flights"}}}), &origins());
    assert!(mark.1.contains("bar, line, area, point"), "{}", mark.1);
    let aggregate = json!({"mark": "bar", "encoding": {"y": {"aggregate": "avg", "field": "flights"}}});
    assert!(refusal(&aggregate, &origins()).1.contains("mean, average"));
    let unit = json!({"mark": "bar", "encoding": {"x": {"field": "flights", "timeUnit": "fortnight"}}});
    assert!(refusal(&unit, &origins()).1.contains("holds no dates"));
    let body = refusal(&json!({"encoding": {}}), &origins());
    assert!(body.1.contains("`mark`"), "{}", body.1);
    assert!(matches!(refuse(&json!([]), &origins()), Error::Spec { .. }));
    assert!(matches!(refuse(&json!({"mark": "bar"}), &origins()), Error::Spec { .. }));
    let empty = refusal(&json!({"mark": "bar", "encoding": {"x": {}}}), &origins());
    assert!(empty.1.contains("names no field"), "{}", empty.1);
}

#[test]
fn charts_that_nobody_could_read_are_refused_with_a_way_out() {
    let rows =
        (0..120_i64).map(|row| vec![text(format!("item {row}")), Cell::Int(row), text("all")]).collect();
    let many = table(
        &[("name", ColumnType::Text), ("value", ColumnType::Integer), ("place", ColumnType::Text)],
        rows,
    );
    let (_, words) = refusal(
        &json!({"mark": "bar", "encoding": {"x": {"field": "name"}, "y": {"field": "value"}}}),
        &many,
    );
    assert!(words.contains("120 different values") && words.contains("top 20"), "{words}");

    let colours = json!({"mark": "bar", "encoding": {"x": {"field": "place"}, "y": {"field": "value"}, "color": {"field": "name"}}});
    assert!(refusal(&colours, &many).1.contains("'Other'"));

    let log = json!({"mark": "point", "encoding": {"x": {"field": "flights"}, "y": {"field": "avg_delay", "scale": {"type": "log"}}}});
    assert!(refusal(&log, &origins()).1.contains("symlog"));

    let slices =
        json!({"mark": "arc", "encoding": {"theta": {"field": "avg_delay"}, "color": {"field": "origin"}}});
    assert!(refusal(&slices, &origins()).1.contains("bar chart"));
}

#[test]
fn no_rows_too_many_rows_and_rows_without_values_each_say_so() {
    let spec = json!({"mark": "bar", "encoding": {"x": {"field": "name"}, "y": {"field": "flights"}}});
    let columns = [("name", ColumnType::Text), ("flights", ColumnType::Integer)];
    assert!(matches!(refuse(&spec, &table(&columns, Vec::new())), Error::NoRows));

    let rows = (0..=MAX_ROWS).map(|row| vec![text("a"), Cell::Int(row as i64)]).collect();
    let failure = refuse(&spec, &table(&columns, rows));
    assert_eq!(failure.to_string(), "the result has 5001 rows; a chart takes at most 5000");
    assert!(failure.hint().contains("Aggregate or filter in SQL"));

    let nulls = table(&columns, vec![vec![text("a"), Cell::Null], vec![text("b"), Cell::Null]]);
    let line = json!({"mark": "line", "encoding": {"x": {"field": "name"}, "y": {"field": "flights"}}});
    let failure = refuse(&line, &nulls);
    assert_eq!(failure.code(), "chart_empty", "{failure}");
    let nothing_left = json!({"mark": "bar", "transform": [{"filter": {"field": "flights", "gt": 1_000_000}}],
        "encoding": {"x": {"field": "name"}, "y": {"field": "flights"}}});
    assert_eq!(refuse(&nothing_left, &carriers()).code(), "chart_empty");
}
