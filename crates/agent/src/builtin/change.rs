//! Answers about change: two periods side by side, growth, and days that stand out.

use chrono::NaiveDate;

use super::{
    calendar,
    catalog::Grain,
    lexicon::Direction,
    phrase::Phrases,
    plan::{Measure, Shape},
    reply::{Draft, Outcome, best_row, oddest_day},
    view::View,
    words,
};

/// "Revenue fell 12.4% last week against the week before: 10,000 after 11,416."
pub(super) fn comparison(outcome: &Outcome<'_>, phrases: &Phrases<'_>) -> Draft {
    let Shape::Comparison { groups, periods, .. } = &outcome.reading.plan.shape else {
        return Draft::default();
    };
    let (parts, whole) = match outcome.views {
        [parts, whole, ..] => (Some(parts), whole),
        [whole] => (None, whole),
        [] => return Draft::default(),
    };
    let [current, previous, change, ..] = outcome.statements[0].measures.as_slice() else {
        return Draft::default();
    };
    let what = words::capitalised(&phrases.measure_of(outcome.reading));
    let scope = phrases.scope();
    let (label, against) = (&periods.current.label, &periods.previous.label);
    let cell = |column: &str| whole.at(0, column);
    let (now, then) = (whole.number(0, current).unwrap_or(0.0), whole.number(0, previous).unwrap_or(0.0));
    let values = format!("{} after {}", whole.figure(0, current), whole.figure(0, previous));
    let leader = parts.and_then(|parts| leader(parts, &outcome.statements[0].groups, change, now - then));
    let led = leader.map_or_else(String::new, |leader| format!(", led by {leader}"));
    let headline = if now > then && then > 0.0 {
        let share =
            format!("{{{{ratio(delta({a},{b}),{b})|percent:1}}}}", a = cell(current), b = cell(previous));
        format!("{what}{scope} rose {share} {label} against {against}: {values}{led}.")
    } else if now < then && then > 0.0 {
        let share =
            format!("{{{{ratio(delta({b},{a}),{b})|percent:1}}}}", a = cell(current), b = cell(previous));
        format!("{what}{scope} fell {share} {label} against {against}: {values}{led}.")
    } else if whole.cell(0, current).is_none() && whole.cell(0, previous).is_none()
        || (now == 0.0 && then == 0.0)
    {
        format!(
            "There is no {}{scope} in either period, {label} or {against}.",
            phrases.measure_of(outcome.reading)
        )
    } else {
        format!("{what}{scope} {label} against {against}: {values}.")
    };
    let mut body = String::new();
    if let Some(parts) = parts.filter(|_| !groups.is_empty()) {
        let lines: Vec<String> = (0..parts.rows.len().min(10))
            .map(|row| {
                let labels: Vec<String> =
                    outcome.statements[0].groups.iter().map(|group| parts.label(row, group)).collect();
                let sign =
                    if parts.number(row, change).is_some_and(|change| change > 0.0) { "+" } else { "" };
                format!(
                    "- {}: {} after {} ({sign}{})",
                    labels.join(", "),
                    parts.figure(row, current),
                    parts.figure(row, previous),
                    parts.figure(row, change)
                )
            })
            .collect();
        body = lines.join("\n");
    }
    let results = outcome.views.iter().map(|view| view.handle.clone()).collect();
    Draft { headline, body, results, ..Draft::default() }
}

/// The part that changed most in the direction of the whole.
fn leader(parts: &View, groups: &[String], change: &str, direction: f64) -> Option<String> {
    if direction == 0.0 || parts.row_count < 2 {
        return None;
    }
    let row = best_row(parts, change, if direction > 0.0 { Direction::Most } else { Direction::Least })?;
    let labels: Vec<String> = groups.iter().map(|group| parts.label(row, group)).collect();
    Some(labels.join(", "))
}

/// "Revenue in the latest month rose 4.1%."
pub(super) fn growth(outcome: &Outcome<'_>, phrases: &Phrases<'_>, measure: &Measure) -> Draft {
    let view = &outcome.views[0];
    let statement = &outcome.statements[0];
    let what = words::capitalised(&phrases.measure(measure));
    let scope = phrases.scope();
    let period = &statement.groups[0];
    if view.row_count == 0 {
        return Draft::refusal(&format!("There is no {}{scope}.", phrases.measure(measure)), "");
    }
    // A period that is not over yet tells nothing about growth.
    let is_over = |row: &usize| {
        let start = view.cell(*row, period).and_then(|cell| match cell.as_i64() {
            Some(year) => NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, 1, 1),
            None => cell.as_str()?.get(..10)?.parse().ok(),
        });
        let grain = Grain::from_word(period).unwrap_or(Grain::Day);
        start.is_none_or(|start| calendar::next(start, grain, 1) <= outcome.today)
    };
    let shown = view.rows.len() as u64 == view.row_count;
    let latest = (0..view.rows.len()).rev().filter(|_| shown).find(is_over);
    let growth = latest.and_then(|row| Some((row, view.number(row, "growth")?)));
    let headline = match growth {
        Some((row, growth)) => {
            let cell = |column: &str| view.at(row, column);
            let (value, before) = (cell(&statement.measures[0]), cell("previous"));
            let (verb, more, less) =
                if growth >= 0.0 { ("rose", &value, &before) } else { ("fell", &before, &value) };
            format!(
                "{what}{scope} {verb} {{{{ratio(delta({more},{less}),{before})|percent:1}}}} in {}, to {}.",
                view.label(row, period),
                view.figure(row, &statement.measures[0])
            )
        }
        None => format!("{what}{scope} per {period}, each against the one before."),
    };
    Draft { headline, ..Draft::default() }
}

/// "Revenue stood out on 2026-11-17: 4,100, 63% below a usual Tuesday."
pub(super) fn anomaly(outcome: &Outcome<'_>, phrases: &Phrases<'_>) -> Draft {
    let Shape::Anomaly { period, .. } = &outcome.reading.plan.shape else { return Draft::default() };
    let view = &outcome.views[0];
    let measure = &outcome.statements[0].measures[0];
    let what = phrases.measure_of(outcome.reading);
    let scope = phrases.scope();
    if view.row_count == 0 {
        return Draft::refusal(&format!("There is no {what}{scope} {} to check.", period.label), "");
    }
    let Some(day) = oddest_day(view) else {
        let widest = (0..view.rows.len())
            .filter_map(|row| Some((view.number(row, "change_from_usual")?.abs(), row)))
            .max_by(|left, right| left.0.total_cmp(&right.0));
        let body = widest.map_or_else(String::new, |(_, row)| {
            format!(
                "The widest swing was on {}: {} against a usual {} ({}).",
                view.figure(row, "day"),
                view.figure(row, measure),
                view.figure(row, "usual"),
                view.figure(row, "change_from_usual")
            )
        });
        return Draft {
            headline: format!("Nothing unusual in {what}{scope} {}.", period.label),
            body,
            ..Draft::default()
        };
    };
    let row = (0..view.rows.len())
        .find(|row| view.cell(*row, "day").and_then(|cell| cell.as_str()) == Some(day.as_str()))
        .unwrap_or(0);
    let is_above = view.number(row, "change_from_usual").is_some_and(|change| change > 0.0);
    let cell = |column: &str| view.at(row, column);
    let (more, less) = if is_above { (cell(measure), cell("usual")) } else { (cell("usual"), cell(measure)) };
    let share = format!("{{{{ratio(delta({more},{less}),{})|percent:0}}}}", cell("usual"));
    let headline = format!(
        "{}{scope} stood out on {}: {}, {share} {} usual.",
        words::capitalised(&what),
        view.figure(row, "day"),
        view.figure(row, measure),
        if is_above { "above" } else { "below" }
    );
    let mut lines = vec![format!(
        "That weekday usually has {}, the mean of the weeks before; the day lies {} standard deviations from it.",
        view.figure(row, "usual"),
        view.figure(row, "deviations")
    )];
    let mut results = vec![view.handle.clone()];
    for part in outcome.closer.iter().filter(|part| part.row_count > 1) {
        let Some((name, _)) = part.columns.first() else { continue };
        let Some(top) = best_row(part, "change", if is_above { Direction::Most } else { Direction::Least })
        else {
            continue;
        };
        lines.push(format!(
            "- By {}: {} moved most, {} against a usual {}.",
            name.replace('_', " "),
            part.label(top, name),
            part.figure(top, measure),
            part.figure(top, "usual")
        ));
        results.push(part.handle.clone());
    }
    Draft { headline, body: lines.join("\n"), results, ..Draft::default() }
}
