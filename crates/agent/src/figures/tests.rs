use domain::table::{Cell, Column, ColumnType, Truncation};
use proptest::prelude::*;

use super::*;

fn id() -> ResultId {
    ResultId::from(uuid::Uuid::nil())
}

fn table() -> Table {
    Table {
        columns: vec![
            Column::new("name", ColumnType::Text),
            Column::new("flights", ColumnType::Integer),
            Column::new("avg_delay", ColumnType::Float),
            Column::new("total sales", ColumnType::Decimal),
            Column::new("day", ColumnType::Date),
            Column::new("share", ColumnType::Float),
            Column::new("change", ColumnType::Float),
        ],
        rows: vec![
            row("United Air Lines Inc.", 58_665, 12.5561, "1234567.895", "2013-07-04", 0.174_196, -0.052),
            row("Boeing 737-823", 54_635, 9.5, "1187.00", "2013-07-05", 0.5, 3.75),
        ],
        truncated: None,
    }
}

fn row(name: &str, flights: i64, delay: f64, sales: &str, day: &str, share: f64, change: f64) -> Vec<Cell> {
    vec![
        Cell::Text(name.into()),
        Cell::Int(flights),
        Cell::Float(delay),
        Cell::Text(sales.into()),
        Cell::Text(day.into()),
        Cell::Float(share),
        Cell::Float(change),
    ]
}

fn resolve_text(body: &str) -> Result<Resolved, Vec<Error>> {
    resolve_asked(body, &Question::default())
}

fn resolve_asked(body: &str, question: &Question<'_>) -> Result<Resolved, Vec<Error>> {
    let table = table();
    let draft = Draft { body: body.into(), ..Draft::default() };
    resolve(&draft, &[Source { id: id(), handle: "r1", table: &table, is_searched: true }], question)
}

fn text_of(expression: &str) -> String {
    let resolved =
        resolve_text(&format!("{{{{{expression}}}}}")).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(resolved.body, "{{f1}}");
    resolved.figures[0].text.clone()
}

fn message_of(expression: &str) -> String {
    resolve_text(&format!("{{{{{expression}}}}}")).expect_err("a refusal")[0].message.clone()
}

fn unfound(body: &str) -> Vec<String> {
    resolve_text(body).unwrap_or_else(|errors| panic!("{errors:?}")).unfound
}

#[test]
fn a_cell_is_written_out_by_its_format() {
    for (expression, text) in [
        ("r1[0].flights", "58,665"),
        (" r1[0].flights | number:0 ", "58,665"),
        ("r1[0].flights|number:2", "58,665.00"),
        ("r1[0].avg_delay|number:1", "12.6"),
        ("r1[0].avg_delay", "12.56"),
        ("r1[1].avg_delay", "9.5"),
        ("r1[0][\"total sales\"]|number", "1,234,567.9"),
        ("r1[0].\"total sales\"|number:2", "1,234,567.90"),
        ("r1[0]['total sales']|currency:USD", "$1,234,567.90"),
        ("r1[1][\"Total Sales\"]|currency:chf:0", "CHF 1,187"),
        ("r1[0].share|percent:1", "17.4%"),
        ("r1[0].change|percent", "-5.2%"),
        ("r1[0].change|currency:EUR", "-€0.05"),
        ("r1[0].day", "Jul 4, 2013"),
        ("r1[0].day|text", "2013-07-04"),
        ("r1[0].name|text", "United Air Lines Inc."),
        ("count(r1)", "2"),
        ("sum(r1.flights)", "113,300"),
        ("sum(r1[\"total sales\"])|number:0", "1,235,755"),
        ("delta(r1[0].flights, r1[1].flights)", "4,030"),
        ("pct_change(r1[0].flights,r1[1].flights)|percent:2", "7.38%"),
        ("ratio(r1[0].flights, sum(r1.flights))|percent:0", "52%"),
    ] {
        assert_eq!(text_of(expression), text, "{expression}");
    }
}

#[test]
fn a_figure_links_to_its_cells() {
    let resolved = resolve_text("{{ratio(r1[0].flights, sum(r1.flights))|percent}}").expect("figures");
    let cells = &resolved.figures[0].cells;
    assert_eq!((cells[0].row, cells[0].value.clone()), (Some(0), Some(Cell::Int(58_665))));
    assert_eq!((cells[1].row, cells[1].column.as_deref()), (None, Some("flights")));
    assert_eq!(
        resolved.figures[0].expression.as_deref(),
        Some("ratio(r1[0].flights, sum(r1.flights))|percent")
    );
}

#[test]
fn what_cannot_be_computed_says_how_to_mend_it() {
    for (expression, part) in [
        ("", "write a cell"),
        ("r2[0].flights", "there are r1"),
        ("r1[9].flights", "its last is r1[1]"),
        ("r1[99999999999999999999999].flights", "beyond every result"),
        ("r1[-1].flights", "whole number from 0"),
        ("r1[0].nope", "its columns are name, flights"),
        ("r1[0]", "a cell is written"),
        ("r1.flights", "a cell is written"),
        ("r1[0].name|number", "no number"),
        ("r1[0].name|date", "no date"),
        ("r1[0].flights|money", "is no format"),
        ("r1[0].flights|number:99", "from 0 to 10"),
        ("r1[0].flights|currency:DOLLAR", "three letters"),
        ("avg(r1.flights)", "is no function"),
        ("delta(r1[0].flights)", "two values"),
        ("delta(r1[0].flights, 5)", "a cell is written"),
        ("sum(r1)", "sum takes a column"),
        ("sum(r1.name)", "holds no numbers"),
        ("ratio(r1[0].name, r1[0].flights)", "one of the cells is none"),
        ("ratio(r1[0].flights, delta(r1[0].flights,r1[0].flights))", "divide by"),
        ("r1[0].flights extra", "is not understood"),
        ("r1[0][\"flights", "not closed"),
    ] {
        let message = message_of(expression);
        assert!(message.contains(part), "{expression}: {message}");
    }
}

#[test]
fn hostile_expressions_are_refused_without_harm() {
    let deep = format!("{}r1[0].flights{}", "delta(".repeat(100), ")".repeat(100));
    assert!(message_of(&deep).contains("longer than") || message_of(&deep).contains("nested"));
    let nested = "delta(".repeat(20);
    assert!(message_of(&nested).contains("nested"));
    assert!(message_of(&"r".repeat(10_000)).contains("longer than"));
    assert!(
        resolve_text("an open {{r1[0].flights").expect_err("a refusal")[0].message.contains("not closed")
    );
}

#[test]
fn a_cut_result_is_not_summed_or_counted() {
    let cut = Table { truncated: Some(Truncation::Rows), ..table() };
    for expression in ["sum(r1.flights)", "count(r1)"] {
        let draft = Draft { body: format!("{{{{{expression}}}}}"), ..Draft::default() };
        let sources = [Source { id: id(), handle: "r1", table: &cut, is_searched: true }];
        let errors = resolve(&draft, &sources, &Question::default()).expect_err("a refusal");
        assert!(errors[0].message.contains("was cut"), "{errors:?}");
    }
}

#[test]
fn numerals_of_prose_are_found_with_rounding_and_units() {
    for body in [
        "There were 58,665 flights.",
        "There were 58665 flights.",
        "There were 58\u{202f}665 flights.",
        "About 58,700 flights.",
        "Roughly 59 thousand flights.",
        "Over 58,000 flights.",
        "Nearly 55,000 flights.",
        "58.7k flights",
        "Sales of $1.2 million",
        "Sales of $1.23M",
        "Sales of USD 1,234,568",
        "an average of 12.6 minutes",
        "an average of 12.56min",
        "17% of all",
        "17.4 percent of all",
        "a change of -5.2%",
        "a change of −5.2 %",
        "fell by 5.2%",
        "113,300 in all",
        "2 airlines were found",
        "on 2013-07-04",
        "on July 4",
        "on July 4th, 2013",
        "on 5 July 2013",
        "the 4th of July",
        "on 7/4/2013",
        "the Boeing 737-823",
        "es waren 58.665 Flüge",
        "im Mittel 12,6 Minuten",
        "ein Umsatz von 1.234.567,90 €",
        "a share of 17,4 %",
    ] {
        let resolved = resolve_text(body).unwrap_or_else(|errors| panic!("{body}: {errors:?}"));
        assert_eq!(resolved.unfound, Vec::<String>::new(), "{body}");
        assert_eq!(resolved.figures.len(), 1, "{body}: {:?}", resolved.figures);
        assert!(resolved.figures[0].checked && !resolved.figures[0].cells.is_empty(), "{body}");
        assert_eq!(resolved.figures[0].expression, None);
    }
}

#[test]
fn a_found_numeral_becomes_a_marker_with_its_unit() {
    let resolved = resolve_text("Sales were $1.2 million (17%), up.").expect("figures");
    assert_eq!(resolved.body, "Sales were {{f1}} ({{f2}}), up.");
    assert_eq!(resolved.figures[0].text, "$1.2 million");
    assert_eq!(resolved.figures[1].text, "17%");
}

#[test]
fn invented_numerals_are_unfound() {
    for (body, numeral) in [
        ("There were 58,666 flights.", "58,666"),
        ("There were 59,000 flights.", "59,000"),
        ("Over 59,000 flights.", "59,000"),
        ("Sales of $1.3 million", "$1.3 million"),
        ("an average of 12.5 minutes", "12.5"),
        ("rose by 5.2%", "5.2%"),
        ("3 customers left", "3"),
        ("the 7 airlines", "7"),
        ("18% of all", "18%"),
        ("1.2.3", "1.2.3"),
        ("58.666 Flüge", "58.666"),
        ("12,5 Minuten", "12,5"),
        ("1.234.569,90", "1.234.569,90"),
        ("on 2013-08-01", "2013-08-01"),
        ("on August 1", "1"),
        ("at 09:30", "09:30"),
        ("½ of them", "½"),
        ("&#53;8666 flights", "58666"),
        ("５８６６６ flights", "58666"),
        ("5\u{200b}8,666 flights", "58,666"),
        ("$-5,000", "5,000"),
    ] {
        assert_eq!(unfound(body), [numeral], "{body}");
    }
    // A fraction below one is no whole number with its thousands parted by a dot.
    let whole = Table {
        columns: vec![Column::new("flights", ColumnType::Integer)],
        rows: vec![vec![Cell::Int(345)]],
        truncated: None,
    };
    let draft = Draft { body: "a share of 0.345".into(), ..Draft::default() };
    let source = Source { id: id(), handle: "r1", table: &whole, is_searched: true };
    let resolved = resolve(&draft, &[source], &Question::default()).expect("figures");
    assert!(!resolved.figures[0].checked, "{:?}", resolved.figures);
    let resolved = resolve_text("3 customers left of 58,665.").expect("figures");
    assert_eq!(resolved.body, "{{f1}} customers left of {{f2}}.");
    assert!(!resolved.figures[0].checked && resolved.figures[0].cells.is_empty());
    assert!((resolved.checked_share() - 0.5).abs() < f64::EPSILON);
}

#[test]
fn ordinals_listed_counts_and_years_are_exempt() {
    for body in [
        "The top 5 airlines",
        "the top-5 airlines",
        "It came 3rd.",
        "It is #1, No. 2 and rank 3.",
        "1. United\n2. Delta\n3. JetBlue",
        "The 3 airlines:\n- a\n- b\n- c",
        "In 2013 and 2012",
        "Q3, A320, p95 and H2O",
        "in the last 7 days",
        "",
    ] {
        let resolved = resolve_text(body).unwrap_or_else(|errors| panic!("{body}: {errors:?}"));
        assert_eq!(resolved.figures, [], "{body}");
        assert_eq!(resolved.body, body);
        assert!((resolved.checked_share() - 1.0).abs() < f64::EPSILON);
    }
}

#[test]
fn the_questions_own_dates_and_parameters_are_exempt() {
    let question = Question {
        prompt: "How many were over 60 minutes late on 2013-02-03, of 1000?",
        statements: vec![
            "SELECT count(*) FROM flights WHERE dep_delay > 60 AND day BETWEEN '2013-02-01' AND '2013-02-07'",
        ],
        today: "2026-11-21".parse().ok(),
    };
    let exempt =
        "Over 60 minutes late on February 3, in the week from 2013-02-01 to Feb 7; as of November 21, 2026.";
    assert_eq!(resolve_asked(exempt, &question).expect("figures").figures, []);
    // The prompt alone is no evidence: a number that it only mentions is not exempt.
    assert_eq!(resolve_asked("Of 1000 flights", &question).expect("figures").unfound, ["1000"]);
}

#[test]
fn a_numbered_list_of_figures_and_a_periods_last_day_are_exempt() {
    let question = Question {
        prompt: "Which had the most flights last month?",
        statements: vec!["SELECT 1 FROM flights WHERE day >= '2026-10-01' AND day < '2026-11-01'"],
        today: "2026-11-21".parse().ok(),
    };
    let body = "1. {{r1[0].name|text}}: {{r1[0].flights}}\n2. {{r1[1].name|text}}: {{r1[1].flights}}\n\n\
        In last month (2026-10-01 to 2026-10-31).";
    let resolved = resolve_asked(body, &question).expect("figures");
    assert_eq!((resolved.figures.len(), resolved.unfound), (4, vec![]));
    // Out of order it is no entry of the list.
    let skipped = "1. {{r1[0].flights}}\n77. {{r1[1].flights}}";
    assert_eq!(resolve_asked(skipped, &question).expect("figures").unfound, ["77"]);
}

#[test]
fn nothing_may_touch_a_figure() {
    for body in [
        "{{r1[0].flights}}000",
        "{{r1[0].flights}}.5",
        "1{{r1[0].flights}}",
        "1,{{r1[0].flights}}",
        "-{{r1[0].flights}}",
        "{{r1[0].flights}} million",
        "{{r1[0].flights}}k",
        "{{r1[0].flights}}&#48;",
    ] {
        assert!(resolve_text(body).is_err(), "{body}");
    }
    for body in
        ["{{r1[0].flights}}, 2 of", "({{r1[0].flights}})", "{{r1[0].flights}}%.", "a–{{r1[0].flights}}"]
    {
        assert!(resolve_text(body).is_ok(), "{body}");
    }
}

#[test]
fn only_rows_that_a_model_saw_are_searched() {
    let mut long = Table { columns: vec![Column::new("n", ColumnType::Integer)], ..Table::default() };
    long.rows = (0..2000).map(|n| vec![Cell::Int(1_000_000 + n * 7)]).collect();
    let sources = [Source { id: id(), handle: "r1", table: &long, is_searched: true }];
    let draft = Draft { body: "1,000,007 and 1,007,000 and 1,013,993".into(), ..Draft::default() };
    let resolved = resolve(&draft, &sources, &Question::default()).expect("figures");
    assert_eq!(resolved.unfound, ["1,007,000"], "the first is shown, the last is the maximum");
}

#[test]
fn aggregates_describe_a_column() {
    let table = table();
    let flights = aggregates(&table.rows, 1, &table.columns[1]);
    assert_eq!((flights.nulls, flights.distinct), (0, 2));
    assert_eq!((flights.min, flights.max), (Some(Cell::Int(54_635)), Some(Cell::Int(58_665))));
    assert_eq!((flights.sum, flights.avg), (Some(113_300.0), Some(56_650.0)));
    let names = aggregates(&table.rows, 0, &table.columns[0]);
    assert_eq!((names.min, names.sum), (Some(Cell::Text("Boeing 737-823".into())), None));
}

proptest! {
    #[test]
    fn any_text_is_handled(body in "\\PC{0,80}", tail in "[{}r1\\[\\]0-9.,|a-z()\"'$%€−\\- ½²５]{0,60}") {
        let text = format!("{body}{tail}");
        if let Ok(resolved) = resolve_text(&text) {
            for (at, figure) in resolved.figures.iter().enumerate() {
                prop_assert_eq!(&figure.id, &format!("f{}", at + 1));
                prop_assert!(!figure.text.is_empty());
            }
            let share = resolved.checked_share();
            prop_assert!((0.0..=1.0).contains(&share));
            // Nothing but digits inside words, and what a rule exempts, is left as prose.
            let again = resolve_text(&resolved.body);
            prop_assert!(again.is_ok() == resolved.figures.is_empty());
        }
    }

    #[test]
    fn a_number_is_found_however_it_is_rounded(value in -1.0e12..1.0e12_f64, decimals in 0_usize..5) {
        let table = Table {
            columns: vec![Column::new("x", ColumnType::Float)],
            rows: vec![vec![Cell::Float(value)]],
            truncated: None,
        };
        let sources = [Source { id: id(), handle: "r1", table: &table, is_searched: true }];
        let written = format!("so {value:.decimals$} it is");
        let draft = Draft { headline: written, body: format!("{{{{r1[0].x|number:{decimals}}}}}"), caveats: vec![] };
        let resolved = resolve(&draft, &sources, &Question::default()).expect("figures");
        prop_assert!(resolved.unfound.is_empty(), "{:?}", resolved);
        // What a figure shows is found again as prose.
        let shown = resolved.figures.last().expect("a figure").text.clone();
        let draft = Draft { headline: format!("so {shown} it is"), ..Draft::default() };
        prop_assert!(resolve(&draft, &sources, &Question::default()).expect("figures").unfound.is_empty(), "{shown}");
    }

    #[test]
    fn a_number_that_is_off_is_unfound(value in 1_000_i64..1_000_000_000, off in 1_i64..100) {
        let table = Table {
            columns: vec![Column::new("x", ColumnType::Integer)],
            rows: vec![vec![Cell::Int(value)]],
            truncated: None,
        };
        let sources = [Source { id: id(), handle: "r1", table: &table, is_searched: true }];
        let draft = Draft { body: format!("counted {}.00", value + off), ..Draft::default() };
        prop_assert_eq!(resolve(&draft, &sources, &Question::default()).expect("figures").unfound.len(), 1);
    }

    /// Whatever parts its thousands, a whole number is found; any other number is not.
    #[test]
    fn thousands_may_be_parted_in_every_way(value in 10_000_i64..1_000_000_000_000, off in 1_i64..1_000) {
        let table = numbers(ColumnType::Integer, Cell::Int(value));
        for separator in [",", "\u{202f}", "\u{a0}", "\u{2009}", "'", "’", "_", "", "."] {
            let (right, wrong) = (parted(value, separator), parted(value + off, separator));
            prop_assert_eq!(unfound_in(&table, &format!("es sind {right} Stück")), Vec::<String>::new(), "{}", right);
            prop_assert_eq!(unfound_in(&table, &format!("es sind {wrong} Stück")).len(), 1, "{}", wrong);
        }
    }

    /// A decimal comma reads as a decimal point does.
    #[test]
    fn decimals_may_follow_a_point_or_a_comma(whole in 0_i64..1_000_000, cents in 1_i64..100) {
        let value = whole as f64 + cents as f64 / 100.0;
        let table = numbers(ColumnType::Float, Cell::Float(value));
        for (thousands, decimal) in [(",", "."), (".", ","), ("\u{202f}", ","), ("", "."), ("", ",")] {
            let written = format!("{}{decimal}{cents:02}", parted(whole, thousands));
            prop_assert_eq!(unfound_in(&table, &format!("so {written} it is")), Vec::<String>::new(), "{}", written);
        }
    }

    /// What a percentage shows is the share times a hundred, to half a unit of its last place, and is found again.
    #[test]
    fn a_percentage_is_its_share_and_is_found_again(share in -9.0..9.0_f64, decimals in 0_usize..4) {
        let table = numbers(ColumnType::Float, Cell::Float(share));
        let shown = shown(&table, &format!("percent:{decimals}"));
        let digits = shown.strip_suffix('%').expect("a percentage");
        let read: f64 = digits.replace(',', "").parse().expect("a number");
        prop_assert!((read - share * 100.0).abs() <= 0.5 * 10f64.powi(-(decimals as i32)) + 1e-9, "{} of {}", shown, share);
        prop_assert_eq!(digits.split_once('.').map_or(0, |(_, rest)| rest.len()), decimals);
        prop_assert_eq!(unfound_in(&table, &format!("so {shown} it is")), Vec::<String>::new(), "{}", shown);
        // A minus of any shape is a minus.
        let typeset = shown.replace('-', "−");
        prop_assert_eq!(unfound_in(&table, &format!("so {typeset} it is")), Vec::<String>::new(), "{}", typeset);
    }

    /// Money has its sign before its symbol, its thousands parted and its own number of decimals; no negative zero.
    #[test]
    fn money_is_written_as_money(cents in -1_000_000_000_i64..1_000_000_000) {
        let exact = format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100);
        let table = numbers(ColumnType::Decimal, Cell::Text(exact));
        let sign = if cents < 0 { "-" } else { "" };
        let whole = parted(cents.abs() / 100, ",");
        prop_assert_eq!(shown(&table, "currency:USD"), format!("{sign}${whole}.{:02}", cents.abs() % 100));
        prop_assert_eq!(shown(&table, "currency:CHF"), format!("{sign}CHF {whole}.{:02}", cents.abs() % 100));
        let yen = shown(&table, "currency:JPY");
        prop_assert!(!yen.contains('.') && yen != "-¥0", "{}", yen);
        let dollars = shown(&table, "currency:USD");
        prop_assert_eq!(unfound_in(&table, &format!("so {dollars} it is")), Vec::<String>::new(), "{}", dollars);
    }

    /// An exact decimal is rounded half away from zero, digit by digit, however long it is.
    #[test]
    fn an_exact_decimal_keeps_every_digit(digits in "[1-9][0-9]{0,30}", fraction in "[0-9]{1,12}", decimals in 0_usize..6) {
        let table = numbers(ColumnType::Decimal, Cell::Text(format!("{digits}.{fraction}")));
        let shown = shown(&table, &format!("number:{decimals}"));
        let plain: String = shown.chars().filter(char::is_ascii_digit).collect();
        let padded = format!("{fraction}{}", "0".repeat(decimals + 1));
        let kept = format!("{digits}{}", &padded[..decimals]);
        let is_up = padded.as_bytes()[decimals] >= b'5';
        prop_assert_eq!(plain, if is_up { one_more(&kept) } else { kept });
    }

    /// Each usual way to write a day means that day and no other.
    #[test]
    fn a_day_is_found_in_every_usual_form(days in 0_u64..20_000, off in 1_u64..400) {
        let epoch = NaiveDate::from_ymd_opt(1980, 1, 1).expect("a day");
        let day = epoch + chrono::Days::new(days);
        let table = numbers(ColumnType::Date, Cell::Text(day.to_string()));
        for form in ["%Y-%m-%d", "%B %-d, %Y", "%-d %B %Y", "%b %-d, %Y", "%-m/%-d/%Y", "%-d.%-m.%Y"] {
            let right = day.format(form).to_string();
            prop_assert_eq!(unfound_in(&table, &format!("on {right} it was")), Vec::<String>::new(), "{}", right);
            let wrong = (day + chrono::Days::new(off)).format(form).to_string();
            prop_assert_eq!(unfound_in(&table, &format!("on {wrong} it was")).len(), 1, "{}", wrong);
        }
        prop_assert_eq!(shown(&table, "date"), day.format("%b %-d, %Y").to_string());
    }

    /// Rounded to thousands or millions with the word for it, a number is found; with the wrong word it is not.
    #[test]
    fn a_scale_in_words_is_part_of_the_number(value in 1_100_000_i64..900_000_000) {
        let table = numbers(ColumnType::Integer, Cell::Int(value));
        let millions = value as f64 / 1e6;
        for unit in [" million", "M", " mn", " Mio"] {
            let written = format!("{millions:.1}{unit}");
            prop_assert_eq!(unfound_in(&table, &format!("so {written} it is")), Vec::<String>::new(), "{}", written);
        }
        for unit in [" billion", " thousand", "k"] {
            let written = format!("{millions:.1}{unit}");
            prop_assert_eq!(unfound_in(&table, &format!("so {written} it is")).len(), 1, "{}", written);
        }
    }
}

/// A table of one cell.
fn numbers(kind: ColumnType, cell: Cell) -> Table {
    Table { columns: vec![Column::new("x", kind)], rows: vec![vec![cell]], truncated: None }
}

fn unfound_in(table: &Table, text: &str) -> Vec<String> {
    let sources = [Source { id: id(), handle: "r1", table, is_searched: true }];
    let draft = Draft { headline: text.to_owned(), ..Draft::default() };
    resolve(&draft, &sources, &Question::default()).expect("figures").unfound
}

/// How a figure of the only cell is shown.
fn shown(table: &Table, format: &str) -> String {
    let sources = [Source { id: id(), handle: "r1", table, is_searched: true }];
    let draft = Draft { headline: format!("{{{{r1[0].x|{format}}}}}"), ..Draft::default() };
    resolve(&draft, &sources, &Question::default()).expect("figures").figures[0].text.clone()
}

/// A whole number with something between its thousands.
fn parted(value: i64, separator: &str) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push_str(separator);
        }
        text.push(digit);
    }
    text
}

/// The digits of the next whole number.
fn one_more(digits: &str) -> String {
    let mut digits: Vec<u8> = digits.bytes().collect();
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return String::from_utf8(digits).expect("digits");
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
    String::from_utf8(digits).expect("digits")
}
