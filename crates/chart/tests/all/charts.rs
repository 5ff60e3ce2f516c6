//! What comes out: structure, formats, determinism, and rows that are awkward.

use std::{sync::Arc, time::Instant};

use crate::samples::{
    carriers, gallery, origins, revenue_by_month, seats, sessions_by_day, signups_by_week, table, text,
};
use chart::{Options, Pool, Prepared};
use domain::table::{Cell, ColumnType, Table};
use serde_json::{Value, json};

fn prepare(spec: &Value, table: &Table) -> Prepared {
    match chart::prepare(spec, table, &Options::default()) {
        Ok(prepared) => prepared,
        Err(failure) => panic!("{spec}: {failure}: {}", failure.hint()),
    }
}

/// The picture's texts, in drawing order.
fn texts(prepared: &Prepared) -> Vec<String> {
    let svg = chart::render(prepared).expect("a picture").svg;
    svg.split("</text>")
        .filter_map(|part| {
            part.rsplit_once('>')
                .filter(|(before, _)| before.contains("<text"))
                .map(|(_, text)| text.to_owned())
        })
        .filter(|text| !text.is_empty())
        .collect()
}

fn has(prepared: &Prepared, wanted: &str) -> bool {
    texts(prepared).iter().any(|text| text == wanted)
}

#[test]
fn the_structure_of_the_gallery_is_as_reviewed() {
    let shape: serde_json::Map<String, Value> = gallery()
        .into_iter()
        .map(|(name, spec, table)| {
            let prepared = prepare(&spec, &table);
            let marks: Vec<String> = kinds(&prepared.vega["marks"]);
            let shape = json!({
                "spec": prepared.vega_lite, "marks": marks, "alt": prepared.alt, "title": prepared.title,
                "size": [prepared.width, prepared.height], "texts": texts(&prepared),
            });
            (name.to_owned(), shape)
        })
        .collect();
    insta::assert_json_snapshot!(shape);
}

fn kinds(marks: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for mark in marks.as_array().into_iter().flatten() {
        found.extend(mark["type"].as_str().map(str::to_owned));
        found.extend(kinds(&mark["marks"]));
    }
    found
}

#[test]
fn the_same_chart_is_the_same_bytes() {
    for (name, spec, table) in gallery().into_iter().step_by(5) {
        let (one, other) = (prepare(&spec, &table), prepare(&spec, &table));
        assert_eq!(one, other, "{name}");
        let (first, second) = (chart::render(&one), chart::render(&other));
        assert_eq!(first.expect("a picture"), second.expect("a picture"), "{name}");
    }
}

#[test]
fn a_stored_chart_is_drawn_as_it_was_prepared() {
    let prepared = prepare(&gallery()[3].1, &gallery()[3].2);
    let stored: Prepared =
        serde_json::from_str(&serde_json::to_string(&prepared).expect("JSON")).expect("a chart");
    let again = chart::render_vega(&stored.vega).expect("a picture");
    assert_eq!(again, chart::render(&prepared).expect("a picture"));
    assert!(again.png.starts_with(b"\x89PNG"));
    let (width, height) =
        (u32::from_be_bytes(again.png[16..20].try_into().expect("four bytes")), again.png[20..24].to_vec());
    assert_eq!(
        (width, u32::from_be_bytes(height.try_into().expect("four bytes"))),
        (1200, prepared.height * 2)
    );
}

#[test]
fn no_time_depends_on_the_zone_of_who_draws() {
    for (name, spec, table) in gallery() {
        let vega = prepare(&spec, &table).vega.to_string().replace("utcFormat(", "").replace("utcParse(", "");
        assert!(
            !vega.contains("timeFormat(") && !vega.contains("toDate("),
            "{name} reads or writes local time"
        );
    }
    let rows = vec![
        vec![text("2026-03-08T07:30:00Z"), Cell::Int(1)],
        vec![text("2026-03-08T08:30:00Z"), Cell::Int(2)],
    ];
    let instants = table(&[("at", ColumnType::TimestampTz), ("orders", ColumnType::Integer)], rows);
    let spec = json!({"mark": "line", "encoding": {"x": {"field": "at", "type": "temporal"}, "y": {"field": "orders"}}});
    let options = Options { timezone: chrono_tz::America::New_York, ..Options::default() };
    let prepared = chart::prepare(&spec, &instants, &options).expect("a chart");
    let values = prepared.vega["data"][0]["values"].to_string();
    assert_eq!(
        values,
        r#"[{"at":"2026-03-08T03:30:00","orders":1},{"at":"2026-03-08T04:30:00","orders":2}]"#
    );
}

#[test]
fn only_the_columns_in_use_are_bound() {
    let spec = json!({"mark": "bar", "encoding": {"x": {"field": "ORIGIN"}, "y": {"field": "flights"}}});
    let prepared = prepare(&spec, &origins());
    assert_eq!(prepared.vega["data"][0]["values"][0], json!({"origin": "EWR", "flights": 120_835}));
}

#[test]
fn every_colour_has_its_twin_for_dark_pages() {
    for (name, spec, table) in gallery() {
        let mut vega = prepare(&spec, &table).vega;
        let dark = vega["usermeta"]["dark"].take();
        vega["data"].take();
        for colour in vega.to_string().split('"').filter(|text| text.len() == 7 && text.starts_with('#')) {
            assert!(dark[colour].is_string(), "{name} draws with {colour}, which has no twin");
        }
    }
}

#[test]
fn bars_in_a_layer_are_as_wide_as_bars_alone() {
    let x = json!({"field": "week", "type": "temporal"});
    let y = json!({"field": "signups"});
    let alone = prepare(&json!({"mark": "bar", "encoding": {"x": x, "y": y}}), &signups_by_week());
    let layered = json!({"encoding": {"x": x}, "layer": [{"mark": "bar", "encoding": {"y": y}}]});
    let layered = prepare(&layered, &signups_by_week());
    assert_eq!(alone.vega_lite["mark"]["width"], layered.vega_lite["layer"][0]["mark"]["width"]);
    assert!(alone.vega_lite["mark"]["width"]["expr"].is_string());
}

#[test]
fn a_single_row_is_a_chart() {
    let one = table(
        &[("month", ColumnType::Date), ("revenue", ColumnType::Decimal)],
        vec![vec![text("2026-10-01"), text("1234.50")]],
    );
    for mark in ["bar", "line", "area", "point"] {
        let spec = json!({"mark": mark, "encoding": {"x": {"field": "month", "type": "temporal"}, "y": {"field": "revenue"}}});
        let prepared = prepare(&spec, &one);
        assert!(prepared.alt.contains("Revenue: 1,234.5 (1 Oct 2026)."), "{}", prepared.alt);
    }
}

#[test]
fn missing_values_leave_gaps_and_missing_names_are_named() {
    let rows = vec![
        vec![text("a"), Cell::Int(3)],
        vec![Cell::Null, Cell::Int(2)],
        vec![text(""), Cell::Int(1)],
        vec![text("d"), Cell::Null],
    ];
    let gaps = table(&[("name", ColumnType::Text), ("value", ColumnType::Integer)], rows);
    let prepared = prepare(
        &json!({"mark": "bar", "encoding": {"x": {"field": "name"}, "y": {"field": "value"}}}),
        &gaps,
    );
    assert!(has(&prepared, "(none)") && has(&prepared, "(empty)"));
    assert!(prepared.alt.ends_with("Value: lowest 1 ((empty)), highest 3 (a)."), "{}", prepared.alt);
}

#[test]
fn names_that_vega_would_read_as_paths_are_columns_too() {
    let odd =
        ["a.b", "sum(x)", "c[0]", "it's", "back\\slash", "__proto__", "constructor", "Größe €", "", "select"];
    for name in odd {
        let rows = vec![vec![text("x"), Cell::Int(41)], vec![text("y"), Cell::Int(42)]];
        let odd = table(&[("k", ColumnType::Text), (name, ColumnType::Integer)], rows);
        let prepared =
            prepare(&json!({"mark": "bar", "encoding": {"x": {"field": "k"}, "y": {"field": name}}}), &odd);
        let svg = chart::render(&prepared).expect("a picture").svg;
        assert!(svg.contains(">40<") || svg.contains(">45<"), "{name} was not drawn");
    }
}

#[test]
fn hostile_cells_are_text_and_nothing_else() {
    let nasty = "<script>alert(1)</script>&\"'";
    let rows = vec![vec![text(nasty), Cell::Int(3)], vec![text("{{datum.x}}"), Cell::Int(2)]];
    let cells = table(&[("name", ColumnType::Text), ("value", ColumnType::Integer)], rows);
    let spec =
        json!({"mark": "bar", "title": nasty, "encoding": {"y": {"field": "name"}, "x": {"field": "value"}}});
    let svg = chart::render(&prepare(&spec, &cells)).expect("a picture").svg;
    assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;"));
}

#[test]
fn long_names_lie_down_and_are_cut_where_even_that_is_too_narrow() {
    let long = "An extraordinarily long product name that goes on and on for the sake of it";
    let rows = (0..6_i64).map(|row| vec![text(format!("{row} {long}")), Cell::Int(100 - row)]).collect();
    let names = table(&[("product", ColumnType::Text), ("sold", ColumnType::Integer)], rows);
    let prepared = prepare(
        &json!({"mark": "bar", "encoding": {"x": {"field": "product"}, "y": {"field": "sold"}}}),
        &names,
    );
    assert_eq!(prepared.vega_lite["encoding"]["y"]["field"], "product");
    let labels: Vec<String> = texts(&prepared).into_iter().filter(|text| text.contains("extra")).collect();
    assert_eq!(labels.len(), 6);
    assert!(labels.iter().all(|label| label.ends_with('…')), "{labels:?}");
}

#[test]
fn numbers_dates_and_shares_are_written_for_readers() {
    let flights = prepare(
        &json!({"mark": "bar", "encoding": {"x": {"field": "origin"}, "y": {"field": "flights"}}}),
        &origins(),
    );
    assert!(has(&flights, "100k") && has(&flights, "0") && !has(&flights, "0k"));

    let months = prepare(
        &json!({"mark": "line", "encoding": {"x": {"field": "month", "type": "temporal"}, "y": {"field": "revenue", "axis": {"format": "$~s"}},
            "color": {"field": "product"}}}),
        &revenue_by_month(),
    );
    let labels = texts(&months);
    for wanted in ["Jul 2025", "Oct", "Jan 2026", "Apr", "$0", "$200k", "Business", "Starter", "Team"] {
        assert!(labels.iter().any(|label| label == wanted), "{wanted} is missing in {labels:?}");
    }

    let rows = [("EWR", 0.36), ("JFK", 0.33), ("LGA", 0.31)]
        .map(|(name, share)| vec![text(name), Cell::Float(share)]);
    let shares =
        table(&[("origin", ColumnType::Text), ("share_of_flights", ColumnType::Float)], rows.to_vec());
    let shares = prepare(
        &json!({"mark": "bar", "encoding": {"x": {"field": "origin"}, "y": {"field": "share_of_flights"}}}),
        &shares,
    );
    assert!(texts(&shares).iter().any(|label| label == "30%"), "{:?}", texts(&shares));
}

#[test]
fn weekdays_and_months_stand_in_calendar_order() {
    let rows = ["Wed", "Mon", "Sun", "Fri"].map(|day| vec![text(day), Cell::Int(1)]).to_vec();
    let days = table(&[("day", ColumnType::Text), ("orders", ColumnType::Integer)], rows);
    let prepared = prepare(
        &json!({"mark": "bar", "encoding": {"x": {"field": "day"}, "y": {"field": "orders"}}}),
        &days,
    );
    let order: Vec<String> = texts(&prepared)
        .into_iter()
        .filter(|text| text.len() == 3 && text.ends_with(['n', 'd', 'i']))
        .collect();
    assert_eq!(order, ["Mon", "Wed", "Fri", "Sun"]);
}

#[test]
fn a_cut_result_and_its_series_are_in_the_words_for_the_chart() {
    let mut cut = revenue_by_month();
    cut.truncated = Some(domain::table::Truncation::Rows);
    let spec = json!({"mark": "line", "encoding": {"x": {"field": "month", "type": "temporal"}, "y": {"field": "revenue"}, "color": {"field": "product"}}});
    let alt = chart::prepare(&spec, &cut, &Options { title: "Revenue".to_owned(), ..Options::default() })
        .expect("a chart")
        .alt;
    assert_eq!(
        alt,
        "Line chart: Revenue. 54 rows of data. Horizontal axis: Month, May 2025 to Oct 2026. Vertical axis: Revenue. Product: \
         Starter, Team, Business. Revenue: lowest 117,390.8 (May 2025, Starter), highest 598,346.1 (Sep 2026, Business). \
         Rows are missing: the result was cut at a limit."
    );
}

#[test]
fn every_width_is_kept() {
    for (name, spec, table) in gallery() {
        let options = Options { width: 400, ..Options::default() };
        let prepared = chart::prepare(&spec, &table, &options).expect("a chart");
        assert!(prepared.width.abs_diff(400) <= 4, "{name} is {} wide instead of 400", prepared.width);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_draws_four_at_a_time_and_the_same_as_one() {
    let spec = json!({"mark": "bar", "encoding": {"x": {"field": "name"}, "y": {"field": "flights"}}});
    let expected = chart::render(&prepare(&spec, &carriers())).expect("a picture");
    let pool = Pool::new(4);
    let rows = Arc::new(carriers());
    let started = Instant::now();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (pool, spec, rows) = (pool.clone(), spec.clone(), Arc::clone(&rows));
            tokio::spawn(async move {
                let prepared = pool.prepare(spec, rows, Options::default()).await.expect("a chart");
                pool.render(Arc::new(prepared)).await.expect("a picture")
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), expected);
    }
    println!("8 charts, 4 at a time: {:?}", started.elapsed());
}

#[test]
fn the_most_rows_there_may_be_are_drawn_in_time() {
    for (name, spec, rows) in [
        (
            "line",
            json!({"mark": "line", "encoding": {"x": {"field": "day", "type": "temporal"}, "y": {"field": "sessions"}, "color": {"field": "channel"}}}),
            sessions_by_day(1666),
        ),
        (
            "scatter",
            json!({"mark": "point", "encoding": {"x": {"field": "seats"}, "y": {"field": "arr"}, "color": {"field": "segment"}}}),
            seats(5000),
        ),
    ] {
        let started = Instant::now();
        let prepared = prepare(&spec, &rows);
        let prepared_in = started.elapsed();
        chart::render(&prepared).expect("a picture");
        println!(
            "{name} of {} rows: prepared in {prepared_in:?}, both in {:?}",
            rows.rows.len(),
            started.elapsed()
        );
    }
}
