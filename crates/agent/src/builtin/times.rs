//! The part of reading that turns time phrases into filters.

use chrono::{Datelike, NaiveDate};

use super::{
    calendar::{Range, When},
    catalog::Grain,
    plan::{Filter, Relation},
    reader::{ItemKind, Reader},
};

impl Reader<'_> {
    /// Time phrases that bound rows. Those that are compared are left to the comparison.
    pub(super) fn read_times(&mut self) {
        let mut months: Vec<u32> = Vec::new();
        let mut weekdays: Vec<u32> = Vec::new();
        let mut ranges: Vec<Range> = Vec::new();
        for index in 0..self.items.len() {
            let ItemKind::Time(when) = self.items[index].kind.clone() else { continue };
            match when {
                When::Month(month) => months.push(month),
                When::Quarter(quarter) => months.extend(quarter * 3 - 2..=quarter * 3),
                When::Weekday(day) => weekdays.push(day),
                When::Weekend => weekdays.extend([6, 7]),
                When::Range(range) => ranges.push(range),
                When::Before(_) | When::YearBefore => continue,
            }
            self.take(index);
        }
        if !months.is_empty() {
            self.push_months(months);
        }
        if !weekdays.is_empty()
            && let Some(column) = self.time_column(None)
        {
            self.filters.push(Filter::Weekdays(column, weekdays));
        }
        match ranges.as_slice() {
            [] => {}
            [range] => self.push_range(range),
            several => self.push_ranges(several),
        }
    }

    pub(super) fn push_months(&mut self, months: Vec<u32>) {
        if let Some(column) = self.table().part_column(Grain::Month) {
            let values = months.into_iter().map(i64::from).collect();
            self.filters.push(Filter::Parts(self.own(column), values));
        } else if let Some(column) = self.time_column(None) {
            self.filters.push(Filter::Months(column, months));
        } else {
            self.bonus -= 1.0;
        }
    }

    /// A range on number columns where it is a whole year, month or day and the base has such columns; else on a point
    /// in time.
    pub(super) fn push_range(&mut self, range: &Range) {
        let parts = range.from.zip(range.unit).and_then(|(from, unit)| self.parts_of(from, unit));
        if let Some(parts) = parts.filter(|_| !range.is_relative || self.table().time_columns().is_empty()) {
            self.filters.extend(parts);
        } else if let Some(column) = self.time_column(None) {
            self.filters.push(Filter::Time(column, range.clone()));
        } else if let Some(column) = self.table().part_column(Grain::Year).filter(|_| on_new_year(range)) {
            let year = |day: NaiveDate| f64::from(day.year());
            let column = self.own(column);
            if let Some(from) = range.from {
                self.filters.push(Filter::Number(column.clone(), Relation::AtLeast, year(from)));
            }
            if let Some(to) = range.to {
                self.filters.push(Filter::Number(column, Relation::Below, year(to)));
            }
        } else {
            self.bonus -= 1.0;
            self.assumptions.push(format!(
                "`{}` has no date, so I could not keep to {}.",
                self.table().name,
                range.label
            ));
        }
    }

    /// Several ranges that are not compared: alternatives where they are years or months of number columns.
    pub(super) fn push_ranges(&mut self, ranges: &[Range]) {
        let units: Vec<Option<Grain>> = ranges.iter().map(|range| range.unit).collect();
        let year = self.table().part_column(Grain::Year);
        if let Some(column) = year.filter(|_| units.iter().all(|unit| *unit == Some(Grain::Year))) {
            let years =
                ranges.iter().filter_map(|range| range.from).map(|from| i64::from(from.year())).collect();
            self.filters.push(Filter::Parts(self.own(column), years));
            return;
        }
        let (from, to) = (
            ranges.iter().filter_map(|range| range.from).min(),
            ranges.iter().filter_map(|range| range.to).max(),
        );
        let label = ranges.iter().map(|range| range.label.as_str()).collect::<Vec<_>>().join(" and ");
        let is_relative = ranges.iter().any(|range| range.is_relative);
        self.push_range(&Range { from, to, label, is_relative, unit: None });
    }

    /// Filters on the columns year, month and day for a unit that starts on a day.
    pub(super) fn parts_of(&self, from: NaiveDate, unit: Grain) -> Option<Vec<Filter>> {
        let wanted: &[Grain] = match unit {
            Grain::Year => &[Grain::Year],
            Grain::Month => &[Grain::Month, Grain::Year],
            Grain::Day => &[Grain::Day, Grain::Month, Grain::Year],
            Grain::Hour | Grain::Week | Grain::Quarter => return None,
        };
        let mut filters = Vec::new();
        for grain in wanted {
            let value = match grain {
                Grain::Year => i64::from(from.year()),
                Grain::Month => i64::from(from.month()),
                _ => i64::from(from.day()),
            };
            // Without a column for the year a month of one year would be every year's.
            let column = self.table().part_column(*grain)?;
            filters.push(Filter::Parts(self.own(column), vec![value]));
        }
        Some(filters)
    }
}

fn on_new_year(range: &Range) -> bool {
    let is_first = |day: &Option<NaiveDate>| day.is_none_or(|day| (day.month(), day.day()) == (1, 1));
    is_first(&range.from) && is_first(&range.to)
}
