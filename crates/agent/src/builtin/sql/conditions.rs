//! Filters as conditions.

use super::{
    Writer,
    text::{instant, literal, number, one_of, quoted, where_clause},
};
use crate::builtin::{
    calendar::Range,
    plan::{ColumnRef, Filter, Link},
};

impl Writer<'_> {
    pub(super) fn filter(&mut self, filters: &[Filter]) -> String {
        let conditions = self.conditions(filters);
        where_clause(&conditions)
    }

    pub(super) fn conditions(&mut self, filters: &[Filter]) -> Vec<String> {
        filters.iter().map(|filter| self.condition(filter)).collect()
    }

    pub(super) fn condition(&mut self, filter: &Filter) -> String {
        match filter {
            Filter::Values { column, values, is_negated } => {
                let kind = column.info(self.catalog).kind;
                let name = self.column(column);
                let literals: Vec<String> = values.iter().map(|value| literal(value, kind)).collect();
                match (literals.as_slice(), is_negated) {
                    ([one], false) => format!("{name} = {one}"),
                    ([one], true) => format!("{name} <> {one}"),
                    (several, false) => format!("{name} IN ({})", several.join(", ")),
                    (several, true) => format!("{name} NOT IN ({})", several.join(", ")),
                }
            }
            Filter::Number(column, relation, value) => {
                format!("{} {} {}", self.column(column), relation.sql(), number(*value))
            }
            Filter::Missing(column, is_missing) => {
                format!("{} IS {}NULL", self.column(column), if *is_missing { "" } else { "NOT " })
            }
            Filter::Truth(column, wanted) => {
                let name = self.column(column);
                if *wanted { name } else { format!("NOT {name}") }
            }
            Filter::Time(column, range) => self.time_condition(column, range),
            Filter::Months(column, months) => {
                let local = self.local(column);
                format!("EXTRACT(month FROM {local}) {}", one_of(months))
            }
            Filter::Years(column, years) => {
                let local = self.local(column);
                format!("EXTRACT(year FROM {local}) {}", one_of(years))
            }
            Filter::Weekdays(column, days) => {
                let local = self.local(column);
                format!("EXTRACT(isodow FROM {local}) {}", one_of(days))
            }
            Filter::Parts(column, values) => format!("{} {}", self.column(column), one_of(values)),
            Filter::Related(link, exists) => self.related(link, *exists),
        }
    }

    pub(super) fn related(&self, link: &Link, exists: bool) -> String {
        let (from, to) = (&self.catalog.tables[link.from_table], &self.catalog.tables[link.to_table]);
        let pairs: Vec<String> = link
            .from_columns
            .iter()
            .zip(&link.to_columns)
            .map(|(from_column, to_column)| {
                let (reference, key) =
                    (quoted(&from.columns[*from_column].name), quoted(&to.columns[*to_column].name));
                format!("related.{reference} = {}.{key}", self.alias(&[]))
            })
            .collect();
        let not = if exists { "" } else { "NOT " };
        format!("{not}EXISTS (SELECT 1 FROM {} AS related WHERE {})", from.sql_name, pairs.join(" AND "))
    }

    /// A range as bounds that an index can use.
    pub(super) fn time_condition(&mut self, column: &ColumnRef, range: &Range) -> String {
        let kind = column.info(self.catalog).kind;
        let name = self.column(column);
        let timezone = self.timezone;
        let bounds: Vec<String> = [(">=", range.from), ("<", range.to)]
            .into_iter()
            .filter_map(|(relation, day)| {
                Some(format!("{name} {relation} {}", instant(day?, kind, timezone)))
            })
            .collect();
        if bounds.is_empty() { "TRUE".to_owned() } else { format!("({})", bounds.join(" AND ")) }
    }
}
