//! Statements about change: two periods side by side, growth, days that stand out and where they come from.

use std::fmt::Write as _;

use chrono::NaiveDate;
use chrono_tz::Tz;
use domain::table::ColumnType;

use super::{
    Statement, USUAL_WEEKS, Writer,
    text::{Names, push_group_by, quoted, where_clause},
};
use crate::builtin::{
    calendar::{self, Range},
    catalog::{Catalog, Grain},
    plan::{ColumnRef, Group, Measure, Periods, Plan},
};

impl Writer<'_> {
    pub(super) fn comparison(
        &mut self,
        plan: &Plan,
        groups: &[Group],
        measure: &Measure,
        periods: &Periods,
    ) -> Statement {
        let mut names = Names::default();
        let mut selected = Vec::new();
        let group_names = self.select_groups(groups, &mut names, &mut selected);
        let grouped = selected.len();
        let current_when = self.time_condition(&periods.column, &periods.current);
        let previous_when = self.time_condition(&periods.column, &periods.previous);
        let current = self.measure_when(measure, &current_when);
        let previous = self.measure_when(measure, &previous_when);
        // Named by the periods, as people read them in a table's head and a chart's legend.
        let label = |range: &Range| range.label.trim_start_matches("the ").replace('"', "");
        let current_name = names.unique(&label(&periods.current));
        let previous_name = names.unique(&label(&periods.previous));
        let change = names.unique("change");
        selected.push(format!("{current} AS {}", quoted(&current_name)));
        selected.push(format!("{previous} AS {}", quoted(&previous_name)));
        selected.push(format!("coalesce({current}, 0) - coalesce({previous}, 0) AS {change}"));
        let mut conditions = self.conditions(&plan.filters);
        conditions.push(format!("({current_when} OR {previous_when})"));
        let mut sql =
            format!("SELECT {}\nFROM {}{}", selected.join(", "), self.from(), where_clause(&conditions));
        push_group_by(&mut sql, grouped);
        if grouped > 0 {
            let _ = write!(sql, "\nORDER BY {} DESC NULLS LAST, 1", grouped + 1);
        }
        Statement { sql, groups: group_names, measures: vec![current_name, previous_name, change] }
    }

    pub(super) fn growth(&mut self, plan: &Plan, time: &Group, measure: &Measure) -> Statement {
        let expression = self.group(time);
        let period = self.group_name(time);
        let name = self.measure_name(measure);
        let value = self.measure(measure);
        let filter = self.filter(&plan.filters);
        let lag = "lag(value) OVER (ORDER BY period)";
        let sql = format!(
            "SELECT period AS {period}, value AS {}, {lag} AS previous, 1.0 * (value - {lag}) / nullif({lag}, 0) AS growth\nFROM (\n\
             SELECT {expression} AS period, {value} AS value\nFROM {}{filter}\nGROUP BY 1\n) AS periods\nORDER BY 1",
            quoted(&name),
            self.from()
        );
        Statement { sql, groups: vec![period], measures: vec![name, "previous".into(), "growth".into()] }
    }

    pub(super) fn anomaly(
        &mut self,
        plan: &Plan,
        measure: &Measure,
        column: &ColumnRef,
        period: &Range,
    ) -> Statement {
        let day = self.group(&Group::Time(column.clone(), Grain::Day));
        let name = self.measure_name(measure);
        let value = self.measure(measure);
        let from = period.from.unwrap_or_default();
        let span = Range { from: Some(calendar::next(from, Grain::Week, -USUAL_WEEKS)), ..period.clone() };
        let mut conditions = self.conditions(&plan.filters);
        conditions.push(self.time_condition(column, &span));
        let sql = format!(
            "WITH daily AS (\nSELECT {day} AS day, {value} AS value\nFROM {}{}\nGROUP BY 1\n)\n\
             SELECT seen.day, seen.value AS {}, avg(before.value) AS usual, \
             1.0 * (seen.value - avg(before.value)) / nullif(avg(before.value), 0) AS change_from_usual, \
             1.0 * (seen.value - avg(before.value)) / nullif(stddev_samp(before.value), 0) AS deviations\n\
             FROM daily AS seen\nJOIN daily AS before ON before.day < DATE '{from}' \
             AND EXTRACT(isodow FROM before.day) = EXTRACT(isodow FROM seen.day)\n\
             WHERE seen.day >= DATE '{from}'\nGROUP BY seen.day, seen.value\nORDER BY seen.day",
            self.from(),
            where_clause(&conditions),
            quoted(&name),
        );
        let measures = vec![name, "usual".into(), "change_from_usual".into(), "deviations".into()];
        Statement { sql, groups: vec!["day".into()], measures }
    }
}

/// How far the points in time of a plan's base reach: columns `earliest` and `latest`, as days of the turn's zone.
pub(in crate::builtin) fn extent(
    catalog: &Catalog,
    plan: &Plan,
    column: &ColumnRef,
    timezone: Tz,
) -> Statement {
    let mut writer = Writer::reaching(catalog, plan.base, timezone, column);
    let day = writer.group(&Group::Time(column.clone(), Grain::Day));
    let sql = format!("SELECT min({day}) AS earliest, max({day}) AS latest\nFROM {}", writer.from());
    Statement { sql, groups: vec![], measures: vec!["earliest".into(), "latest".into()] }
}

/// Where a day that stands out comes from: for each column of few values, the day against the same weekdays before.
pub(in crate::builtin) fn drill_down(
    catalog: &Catalog,
    plan: &Plan,
    measure: &Measure,
    column: &ColumnRef,
    period: &Range,
    day: Option<&str>,
    timezone: Tz,
) -> Vec<Statement> {
    let Some(day) = day.and_then(|day| day.parse::<NaiveDate>().ok()) else { return Vec::new() };
    let from = calendar::next(period.from.unwrap_or(day), Grain::Week, -USUAL_WEEKS);
    let columns = &catalog.tables[plan.base].columns;
    let few = |index: &usize| {
        let info = &columns[*index];
        info.kind == ColumnType::Text
            && info.distinct.map_or(info.samples.len() < 12, |distinct| (2.0..=12.0).contains(&distinct))
    };
    (0..columns.len())
        .filter(few)
        .take(2)
        .map(|index| {
            let mut writer = Writer::new(catalog, plan, timezone);
            let part = ColumnRef { path: vec![], table: plan.base, column: index };
            let days = writer.group(&Group::Time(column.clone(), Grain::Day));
            let name = writer.measure_name(measure);
            let (expression, value) = (writer.column(&part), writer.measure(measure));
            let span = Range { from: Some(from), to: Some(calendar::next(day, Grain::Day, 1)), ..period.clone() };
            let mut conditions = writer.conditions(&plan.filters);
            conditions.push(writer.time_condition(column, &span));
            conditions.push(format!("EXTRACT(isodow FROM {days}) = {}", chrono::Datelike::weekday(&day).number_from_monday()));
            let earlier = format!("day >= DATE '{from}' AND day < DATE '{}'", period.from.unwrap_or(day));
            let group = writer.group_name(&Group::Column(part));
            let sql = format!(
                "WITH daily AS (\nSELECT {expression} AS part, {days} AS day, {value} AS value\nFROM {}{}\nGROUP BY 1, 2\n)\n\
                 SELECT part AS {group}, coalesce(sum(value) FILTER (WHERE day = DATE '{day}'), 0) AS {}, \
                 sum(value) FILTER (WHERE {earlier}) / {USUAL_WEEKS}.0 AS usual, \
                 coalesce(sum(value) FILTER (WHERE day = DATE '{day}'), 0) - sum(value) FILTER (WHERE {earlier}) / {USUAL_WEEKS}.0 AS change\n\
                 FROM daily\nGROUP BY 1\nORDER BY abs(coalesce(sum(value) FILTER (WHERE day = DATE '{day}'), 0) - \
                 sum(value) FILTER (WHERE {earlier}) / {USUAL_WEEKS}.0) DESC NULLS LAST, 1",
                writer.from(),
                where_clause(&conditions),
                quoted(&name),
            );
            Statement { sql, groups: vec![group], measures: vec![name, "usual".into(), "change".into()] }
        })
        .collect()
}
