//! The part of reading that finds periods held against each other.

use chrono::Datelike;

use super::{
    calendar::{self, Range, When},
    catalog::Grain,
    cues::Cue,
    groups::grain_of,
    plan::{Filter, Group},
    reader::{ItemKind, Reader},
};

impl Reader<'_> {
    /// Two periods that are held against each other, or months that are.
    pub(super) fn read_comparison(&mut self) -> Option<Comparison> {
        let compares = self.has_cue(|cue| matches!(cue, Cue::Compare | Cue::Growth))
            || self
                .question
                .tokens
                .iter()
                .any(|token| matches!(token.lower.as_str(), "than" | "change" | "changed" | "changes"));
        let times: Vec<(usize, When)> = (0..self.items.len())
            .filter_map(|index| match &self.items[index].kind {
                ItemKind::Time(when) => Some((index, when.clone())),
                _ => None,
            })
            .collect();
        let ranges: Vec<&Range> = times
            .iter()
            .filter_map(|(_, when)| if let When::Range(range) = when { Some(range) } else { None })
            .collect();
        let before = times.iter().find_map(|(_, when)| match when {
            When::Before(_) => Some(calendar::period_before as fn(&Range) -> Option<Range>),
            When::YearBefore => Some(calendar::year_before as fn(&Range) -> Option<Range>),
            _ => None,
        });
        let months: Vec<u32> = times
            .iter()
            .filter_map(|(_, when)| if let When::Month(month) = when { Some(*month) } else { None })
            .collect();
        let comparison = match (ranges.as_slice(), before) {
            ([range], Some(shift)) => {
                Comparison::Periods { current: (*range).clone(), previous: shift(range)? }
            }
            ([first, second], None) if compares => {
                let (current, previous) =
                    if first.from >= second.from { (first, second) } else { (second, first) };
                let is_calendar =
                    !current.is_relative && current.unit.is_some() && current.unit == previous.unit;
                match current.unit.filter(|_| is_calendar) {
                    Some(unit) => {
                        Comparison::Grains { unit, ranges: vec![(*previous).clone(), (*current).clone()] }
                    }
                    None => {
                        Comparison::Periods { current: (*current).clone(), previous: (*previous).clone() }
                    }
                }
            }
            ([], None) if compares && months.len() > 1 => Comparison::Months(months),
            _ => return None,
        };
        for (index, _) in times {
            self.take(index);
        }
        Some(comparison)
    }

    /// "2012 compared with 2013": rows of both, one group each.
    pub(super) fn compare_grains(
        &mut self,
        unit: Grain,
        ranges: &[Range],
        groups: &mut Vec<Group>,
    ) -> Option<()> {
        let years: Vec<i64> =
            ranges.iter().filter_map(|range| range.from).map(|from| i64::from(from.year())).collect();
        if let (Grain::Year, Some(column)) = (unit, self.table().part_column(Grain::Year)) {
            let column = self.own(column);
            self.filters.push(Filter::Parts(column.clone(), years));
            groups.insert(0, Group::Column(column));
            return Some(());
        }
        if let (Grain::Month, Some(month)) = (unit, self.table().part_column(Grain::Month)) {
            let same_year = years.windows(2).all(|pair| pair[0] == pair[1]);
            if same_year {
                let months = ranges
                    .iter()
                    .filter_map(|range| range.from)
                    .map(|from| i64::from(from.month()))
                    .collect();
                let column = self.own(month);
                self.filters.push(Filter::Parts(column.clone(), months));
                if let Some(year) = self.table().part_column(Grain::Year) {
                    self.filters.push(Filter::Parts(self.own(year), years[..1].to_vec()));
                }
                groups.insert(0, Group::Column(column));
                return Some(());
            }
        }
        let column = self.time_column(None)?;
        if unit == Grain::Year {
            self.filters.push(Filter::Years(column.clone(), years));
            groups.insert(0, grain_of(column, unit));
            return Some(());
        }
        let (first, last) = (ranges.first()?, ranges.last()?);
        let is_adjacent = first.to == last.from;
        if !is_adjacent {
            return None;
        }
        let span = Range {
            from: first.from,
            to: last.to,
            label: format!("{} and {}", first.label, last.label),
            is_relative: false,
            unit: None,
        };
        self.filters.push(Filter::Time(column.clone(), span));
        groups.insert(0, Group::Time(column, unit));
        Some(())
    }

    pub(super) fn push_month_filter(&mut self, months: Vec<u32>) {
        if let Some(column) = self.table().part_column(Grain::Month) {
            self.filters.push(Filter::Parts(self.own(column), months.into_iter().map(i64::from).collect()));
        } else if let Some(column) = self.time_column(None) {
            self.filters.push(Filter::Months(column, months));
        }
    }
}

/// What is compared in time.
#[derive(Clone, Debug)]
pub(super) enum Comparison {
    /// Two stretches of days.
    Periods { current: Range, previous: Range },
    /// Months of any year.
    Months(Vec<u32>),
    /// Calendar units that are named: two years, two months.
    Grains { unit: Grain, ranges: Vec<Range> },
}
