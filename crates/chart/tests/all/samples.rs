//! Results to draw: made by arithmetic, so that every run draws the same.

use chrono::{Days, Months, NaiveDate};
use domain::table::{Cell, Column, ColumnType, Table};
use serde_json::{Value, json};

pub(crate) fn table(columns: &[(&str, ColumnType)], rows: Vec<Vec<Cell>>) -> Table {
    let columns = columns.iter().map(|(name, kind)| Column::new(*name, *kind)).collect();
    Table { columns, rows, truncated: None }
}

pub(crate) fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// A number between 0 and 1 that looks random.
pub(crate) fn noise(seed: u64) -> f64 {
    let mixed = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 27)) >> 11) as f64 / (1_u64 << 53) as f64
}

pub(crate) fn carriers() -> Table {
    let rows = [
        ("United Air Lines Inc.", 58_665),
        ("JetBlue Airways", 54_635),
        ("ExpressJet Airlines Inc.", 54_173),
        ("Delta Air Lines Inc.", 48_110),
        ("American Airlines Inc.", 32_729),
        ("Envoy Air", 26_397),
        ("US Airways Inc.", 20_536),
        ("Endeavor Air Inc.", 18_460),
        ("Southwest Airlines Co.", 12_275),
        ("Virgin America", 5_162),
        ("AirTran Airways Corporation", 3_260),
        ("Alaska Airlines Inc.", 714),
        ("Frontier Airlines Inc.", 685),
        ("Mesa Airlines Inc.", 601),
        ("Hawaiian Airlines Inc.", 342),
        ("SkyWest Airlines Inc.", 32),
    ];
    let rows = rows.into_iter().map(|(name, flights)| vec![text(name), Cell::Int(flights)]).collect();
    table(&[("name", ColumnType::Text), ("flights", ColumnType::Integer)], rows)
}

pub(crate) fn origins() -> Table {
    let rows = [("EWR", 120_835, 15.1), ("JFK", 111_279, 12.1), ("LGA", 104_662, -10.3)];
    let rows = rows
        .into_iter()
        .map(|(origin, flights, delay)| vec![text(origin), Cell::Int(flights), Cell::Float(delay)]);
    table(
        &[("origin", ColumnType::Text), ("flights", ColumnType::Integer), ("avg_delay", ColumnType::Float)],
        rows.collect(),
    )
}

/// 18 months by product.
pub(crate) fn revenue_by_month() -> Table {
    let first = NaiveDate::from_ymd_opt(2025, 5, 1).expect("a date");
    let mut rows = Vec::new();
    for month in 0..18_u32 {
        for (place, product) in ["Starter", "Team", "Business"].into_iter().enumerate() {
            let base = 120_000.0 * (place + 1) as f64 * (1.0 + 0.04 * f64::from(month));
            let revenue = base * (0.9 + 0.2 * noise(u64::from(month) * 3 + place as u64));
            let date = first + Months::new(month);
            rows.push(vec![text(date.to_string()), text(product), text(format!("{revenue:.2}"))]);
        }
    }
    table(
        &[("month", ColumnType::Date), ("product", ColumnType::Text), ("revenue", ColumnType::Decimal)],
        rows,
    )
}

/// 545 days by channel.
pub(crate) fn sessions_by_day(days: u64) -> Table {
    let first = NaiveDate::from_ymd_opt(2025, 5, 20).expect("a date");
    let mut rows = Vec::new();
    for day in 0..days {
        for (place, channel) in ["Organic", "Paid search", "Partners"].into_iter().enumerate() {
            let wave = 1.0 + 0.25 * (day as f64 / 7.0 * std::f64::consts::TAU).sin() + 0.002 * day as f64;
            let sessions = 200.0 * (3 - place) as f64 * wave + 40.0 * noise(day * 3 + place as u64);
            let date = first + Days::new(day);
            rows.push(vec![text(date.to_string()), text(channel), Cell::Int(sessions as i64)]);
        }
    }
    table(
        &[("day", ColumnType::Date), ("channel", ColumnType::Text), ("sessions", ColumnType::Integer)],
        rows,
    )
}

pub(crate) fn signups_by_week() -> Table {
    let first = NaiveDate::from_ymd_opt(2026, 5, 18).expect("a date");
    let rows = (0..26_u64).map(|week| {
        let date = first + Days::new(7 * week);
        let signups = if week == 25 { 310.0 } else { 140.0 + 50.0 * noise(week) };
        vec![text(date.to_string()), Cell::Int(signups as i64)]
    });
    table(&[("week", ColumnType::Date), ("signups", ColumnType::Integer)], rows.collect())
}

pub(crate) fn seats(points: u64) -> Table {
    let rows = (0..points).map(|point| {
        let segment = ["SMB", "Mid-market", "Enterprise"][(point % 3) as usize];
        let seats = 10.0_f64.powf(1.0 + noise(point) * 0.8 + (point % 3) as f64 * 0.5);
        let arr = seats * (60.0 + 80.0 * noise(point + 9000));
        vec![Cell::Float(seats.round()), Cell::Float(arr.round()), text(segment)]
    });
    let columns = [("seats", ColumnType::Float), ("arr", ColumnType::Float), ("segment", ColumnType::Text)];
    table(&columns, rows.collect())
}

pub(crate) fn orders_by_hour() -> Table {
    let mut rows = Vec::new();
    for (place, day) in ["Fri", "Mon", "Sat", "Sun", "Thu", "Tue", "Wed"].into_iter().enumerate() {
        for hour in 0..24_u64 {
            let orders = 20.0
                + 90.0 * (-((hour as f64 - 14.0) / 5.0).powi(2)).exp()
                + 20.0 * noise(hour + 24 * place as u64);
            rows.push(vec![text(day), Cell::Int(hour as i64), Cell::Int(orders as i64)]);
        }
    }
    table(&[("day", ColumnType::Text), ("hour", ColumnType::Integer), ("orders", ColumnType::Integer)], rows)
}

/// The kinds of charts that answers draw: name, spec, rows.
pub(crate) fn gallery() -> Vec<(&'static str, Value, Table)> {
    vec![
        (
            "bar",
            json!({"mark": "bar", "title": "Flights by origin", "encoding": {
                "x": {"field": "origin", "type": "nominal"}, "y": {"field": "flights", "type": "quantitative"}}}),
            origins(),
        ),
        (
            "bar_long_names",
            json!({"mark": "bar", "title": "Flights by airline, 2013", "encoding": {
                "x": {"field": "name", "type": "nominal", "sort": "-y"}, "y": {"field": "flights", "type": "quantitative"}}}),
            carriers(),
        ),
        (
            "bar_horizontal_labelled",
            json!({"title": "Flights by airline, 2013", "layer": [
                {"mark": "bar"},
                {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"text": {"field": "flights", "type": "quantitative"}}}],
                "encoding": {"y": {"field": "name", "type": "nominal", "sort": "-x"},
                    "x": {"field": "flights", "type": "quantitative", "axis": null}}}),
            carriers(),
        ),
        (
            "bar_stacked_months",
            json!({"mark": "bar", "title": "Monthly revenue by product", "encoding": {
                "x": {"field": "month", "type": "temporal"},
                "y": {"field": "revenue", "type": "quantitative", "title": "Revenue (USD)", "axis": {"format": "$~s"}},
                "color": {"field": "product", "type": "nominal"}}}),
            revenue_by_month(),
        ),
        (
            "bar_grouped",
            json!({"mark": "bar", "title": "Quarterly revenue by product", "encoding": {
                "x": {"field": "month", "timeUnit": "yearquarter", "type": "temporal"}, "xOffset": {"field": "product"},
                "y": {"aggregate": "sum", "field": "revenue"},
                "color": {"field": "product"}}}),
            revenue_by_month(),
        ),
        (
            "bar_weeks",
            json!({"mark": "bar", "title": "Signups per week", "encoding": {
                "x": {"field": "week", "type": "temporal"}, "y": {"field": "signups", "type": "quantitative"}}}),
            signups_by_week(),
        ),
        (
            "bar_negative",
            json!({"mark": "bar", "title": "Average departure delay by origin", "encoding": {
                "x": {"field": "origin"}, "y": {"field": "avg_delay", "title": "Minutes"}}}),
            origins(),
        ),
        (
            "line_months",
            json!({"mark": "line", "title": "Revenue by product", "encoding": {
                "x": {"field": "month", "type": "temporal"}, "y": {"field": "revenue", "type": "quantitative"},
                "color": {"field": "product", "type": "nominal"}}}),
            revenue_by_month(),
        ),
        (
            "line_days",
            json!({"mark": "line", "title": "Daily sessions by channel", "encoding": {
                "x": {"field": "day", "type": "temporal"}, "y": {"field": "sessions", "type": "quantitative"},
                "color": {"field": "channel", "type": "nominal"}}}),
            sessions_by_day(545),
        ),
        (
            "area_stacked",
            json!({"mark": "area", "title": "Revenue by product", "encoding": {
                "x": {"field": "month", "type": "temporal", "timeUnit": "yearmonth"},
                "y": {"aggregate": "sum", "field": "revenue"}, "color": {"field": "product"}}}),
            revenue_by_month(),
        ),
        (
            "area_share",
            json!({"mark": "area", "title": "Share of revenue by product", "encoding": {
                "x": {"field": "month", "type": "temporal"},
                "y": {"field": "revenue", "stack": "normalize"}, "color": {"field": "product"}}}),
            revenue_by_month(),
        ),
        (
            "scatter_log",
            json!({"mark": "point", "title": "ARR against seats, by segment", "encoding": {
                "x": {"field": "seats", "type": "quantitative", "scale": {"type": "log"}},
                "y": {"field": "arr", "type": "quantitative", "scale": {"type": "log"}, "title": "ARR (USD)"},
                "color": {"field": "segment"}}}),
            seats(600),
        ),
        (
            "pie",
            json!({"mark": {"type": "arc", "innerRadius": 60}, "title": "Flights by origin", "encoding": {
                "theta": {"field": "flights", "type": "quantitative"}, "color": {"field": "origin", "type": "nominal"}}}),
            origins(),
        ),
        (
            "heatmap",
            json!({"mark": "rect", "title": "Orders by weekday and hour", "encoding": {
                "x": {"field": "hour", "type": "ordinal", "title": "Hour of day"}, "y": {"field": "day", "type": "nominal"},
                "color": {"field": "orders", "type": "quantitative"}}}),
            orders_by_hour(),
        ),
        (
            "histogram",
            json!({"mark": "bar", "title": "How many seats customers have", "encoding": {
                "x": {"field": "seats", "bin": {"maxbins": 24}}, "y": {"aggregate": "count"}}}),
            seats(600),
        ),
        (
            "boxplot",
            json!({"mark": "boxplot", "title": "Seats by segment", "encoding": {
                "x": {"field": "segment"}, "y": {"field": "seats"}}}),
            seats(300),
        ),
        (
            "facet",
            json!({"title": "Daily sessions by channel", "facet": {"field": "channel"}, "columns": 3,
                "spec": {"mark": "line", "encoding": {"x": {"field": "day", "type": "temporal"}, "y": {"field": "sessions"}}}}),
            sessions_by_day(120),
        ),
        (
            "row_bars",
            json!({"mark": "bar", "title": "Sessions per month by channel", "encoding": {
                "row": {"field": "channel"}, "x": {"field": "day", "timeUnit": "yearmonth"},
                "y": {"aggregate": "sum", "field": "sessions"}}}),
            sessions_by_day(365),
        ),
        (
            "threshold",
            json!({"title": "Signups per week against the target", "layer": [
                {"mark": {"type": "line"}, "encoding": {"x": {"field": "week", "type": "temporal"}, "y": {"field": "signups"}}},
                {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "red"}, "encoding": {"y": {"datum": 200}}}]}),
            signups_by_week(),
        ),
        (
            "dual_axis",
            json!({"title": "Flights and delay by origin", "resolve": {"scale": {"y": "independent"}}, "layer": [
                {"mark": "bar", "encoding": {"x": {"field": "origin"}, "y": {"field": "flights"}}},
                {"mark": {"type": "line", "color": "orange"}, "encoding": {"x": {"field": "origin"}, "y": {"field": "avg_delay"}}}]}),
            origins(),
        ),
    ]
}

/// Charts that are awkward to lay out: name, spec, rows.
pub(crate) fn awkward() -> Vec<(&'static str, Value, Table)> {
    let codes = |count: i64| {
        let rows = (0..count)
            .map(|row| vec![text(format!("N{}{row:03}", row % 7)), Cell::Int(900 - 13 * row)])
            .collect();
        table(&[("tailnum", ColumnType::Text), ("flights", ColumnType::Integer)], rows)
    };
    let first = NaiveDate::from_ymd_opt(2026, 11, 14).expect("a date").and_hms_opt(0, 0, 0).expect("a time");
    let hours = (0..72_i64).map(|hour| {
        let at = (first + chrono::TimeDelta::hours(hour)).format("%Y-%m-%dT%H:%M:%S").to_string();
        vec![text(at), Cell::Float((20.0 + 90.0 * noise(hour as u64) * 10.0).round() / 10.0)]
    });
    let hours = table(&[("at", ColumnType::Timestamp), ("latency_ms", ColumnType::Float)], hours.collect());
    let years =
        (2016..2027_i64).map(|year| vec![Cell::Int(year), Cell::Float(1.2e9 + 1.0e8 * (year - 2016) as f64)]);
    let years = table(&[("year", ColumnType::Integer), ("revenue", ColumnType::Float)], years.collect());
    let regions = [
        "Northern Europe",
        "Southern Europe",
        "Middle East and Africa",
        "North America",
        "Latin America",
        "South Asia",
        "East Asia",
        "Oceania",
        "Central Asia",
        "Antarctica",
    ];
    let many = (0..10_u64).flat_map(|region| {
        (1..=6_u64).map(move |month| {
            vec![
                text(format!("2026-{month:02}")),
                text(regions[region as usize]),
                Cell::Int((100.0 * noise(region * 6 + month)) as i64),
            ]
        })
    });
    let many = table(
        &[("month", ColumnType::Text), ("region", ColumnType::Text), ("orders", ColumnType::Integer)],
        many.collect(),
    );
    let foreign = ["東京タワー", "Київ", "Αθήνα", "Łódź", "القاهرة", "São Paulo 🌇"];
    let foreign = foreign.into_iter().zip(1..).map(|(city, n)| vec![text(city), Cell::Int(n * 1000)]);
    let foreign = table(&[("city", ColumnType::Text), ("visitors", ColumnType::Integer)], foreign.collect());
    let change = ["Starter", "Team", "Business", "Enterprise"].into_iter().zip([-0.124, 0.31, 0.052, -0.03]);
    let change = table(
        &[("plan", ColumnType::Text), ("change_pct", ColumnType::Float)],
        change.map(|(plan, change)| vec![text(plan), Cell::Float(change)]).collect(),
    );
    vec![
        (
            "many_codes",
            json!({"mark": "bar", "title": "Flights by tail number", "encoding": {"x": {"field": "tailnum"}, "y": {"field": "flights"}}}),
            codes(30),
        ),
        (
            "fifty_codes",
            json!({"mark": "bar", "title": "Flights by tail number", "encoding": {"x": {"field": "tailnum"}, "y": {"field": "flights"}}}),
            codes(50),
        ),
        (
            "hours",
            json!({"mark": "line", "title": "Latency over the weekend", "encoding": {"x": {"field": "at", "type": "temporal"}, "y": {"field": "latency_ms"}}}),
            hours.clone(),
        ),
        (
            "hours_bar",
            json!({"mark": "bar", "title": "Latency over the weekend", "encoding": {"x": {"field": "at", "type": "temporal"}, "y": {"field": "latency_ms"}}}),
            hours,
        ),
        (
            "years",
            json!({"mark": "bar", "title": "Revenue by year", "encoding": {"x": {"field": "year", "type": "ordinal"}, "y": {"field": "revenue"}}}),
            years,
        ),
        (
            "ten_series",
            json!({"mark": "line", "title": "Orders by region and month, with a title that is so long that it does not fit into one line of the picture", "encoding": {
            "x": {"field": "month", "type": "temporal"}, "y": {"field": "orders"}, "color": {"field": "region"}}}),
            many.clone(),
        ),
        (
            "ten_stacked",
            json!({"mark": "bar", "title": "Orders by region", "encoding": {
            "x": {"field": "month", "type": "ordinal"}, "y": {"field": "orders"}, "color": {"field": "region"}}}),
            many.clone(),
        ),
        (
            "pie_ten",
            json!({"mark": "arc", "title": "Orders by region", "encoding": {"theta": {"aggregate": "sum", "field": "orders"}, "color": {"field": "region"}}}),
            many.clone(),
        ),
        (
            "heat_labelled",
            json!({"title": "Orders by region and month", "layer": [
            {"mark": "rect", "encoding": {"color": {"field": "orders"}}},
            {"mark": "text", "encoding": {"text": {"field": "orders"}, "color": {"condition": {"test": {"field": "orders", "gt": 50}, "value": "white"}, "value": "black"}}}],
            "encoding": {"x": {"field": "month", "type": "ordinal"}, "y": {"field": "region"}}}),
            many.clone(),
        ),
        (
            "facet_ten",
            json!({"title": "Orders by region", "mark": "area", "encoding": {"facet": {"field": "region", "columns": 4}, "x": {"field": "month", "type": "temporal"}, "y": {"field": "orders"}}}),
            many,
        ),
        (
            "foreign",
            json!({"mark": "bar", "title": "Visitors by city", "encoding": {"x": {"field": "city"}, "y": {"field": "visitors"}}}),
            foreign,
        ),
        (
            "change",
            json!({"mark": "bar", "title": "Change against last month", "encoding": {"y": {"field": "plan"}, "x": {"field": "change_pct"},
            "color": {"condition": {"test": {"field": "change_pct", "lt": 0}, "value": "orange"}, "value": "teal"}}}),
            change,
        ),
        (
            "mean_line",
            json!({"title": "Signups against their average", "layer": [
            {"mark": "bar", "encoding": {"x": {"field": "week", "type": "temporal"}, "y": {"field": "signups"}}},
            {"mark": {"type": "rule", "color": "black"}, "encoding": {"y": {"aggregate": "mean", "field": "signups"}}}]}),
            signups_by_week(),
        ),
        (
            "area_single",
            json!({"mark": "area", "title": "Signups per week", "encoding": {"x": {"field": "week", "type": "temporal"}, "y": {"field": "signups"}}}),
            signups_by_week(),
        ),
        (
            "bubble",
            json!({"mark": "point", "title": "Flights and delay", "encoding": {"x": {"field": "flights"}, "y": {"field": "avg_delay"}, "size": {"field": "flights"}, "color": {"field": "origin"}}}),
            origins(),
        ),
        (
            "comparison",
            json!({"title": "Flights, this month and last", "transform": [{"fold": ["previous", "current"], "as": ["period", "amount"]}],
            "mark": "bar", "encoding": {"x": {"field": "carrier", "type": "nominal", "sort": null, "title": "Carrier"},
                "xOffset": {"field": "period", "sort": null}, "y": {"field": "amount", "type": "quantitative", "title": "Flights"},
                "color": {"field": "period", "type": "nominal", "sort": null, "title": null}}}),
            two_months(),
        ),
        (
            "anomaly",
            json!({"title": "Signups per day against the usual", "transform": [{"fold": ["signups", "usual"], "as": ["which", "amount"]}],
            "mark": {"type": "line", "point": true}, "encoding": {"x": {"field": "day", "type": "temporal", "title": null},
                "y": {"field": "amount", "type": "quantitative", "title": "Signups"}, "color": {"field": "which", "type": "nominal", "title": null}}}),
            usual(),
        ),
        (
            "day_bars",
            json!({"mark": "bar", "title": "Sessions per day", "encoding": {"x": {"field": "day", "type": "temporal"}, "y": {"field": "sessions"}, "color": {"field": "channel"}}}),
            sessions_by_day(30),
        ),
    ]
}

fn two_months() -> Table {
    let rows =
        [("UA", 48_120, 51_300), ("B6", 44_010, 43_900), ("EV", 43_450, 46_000), ("DL", 39_800, 41_250)];
    let rows =
        rows.map(|(carrier, previous, current)| vec![text(carrier), Cell::Int(previous), Cell::Int(current)]);
    let columns =
        [("carrier", ColumnType::Text), ("previous", ColumnType::Integer), ("current", ColumnType::Integer)];
    table(&columns, rows.to_vec())
}

fn usual() -> Table {
    let first = NaiveDate::from_ymd_opt(2026, 9, 20).expect("a date");
    let rows = (0..60_u64).map(|day| {
        let signups = if day == 55 { 61 } else { 110 + (30.0 * noise(day)) as i64 };
        vec![text((first + Days::new(day)).to_string()), Cell::Int(signups), Cell::Float(124.5)]
    });
    table(
        &[("day", ColumnType::Date), ("signups", ColumnType::Integer), ("usual", ColumnType::Float)],
        rows.collect(),
    )
}
