//! Plans in plain words: what was measured, by what, of which rows.

use super::{
    catalog::Catalog,
    lexicon,
    plan::{Aggregate, ColumnRef, Filter, Group, Measure, Plan, Relation, Shape},
    reader::Reading,
    reply::plural,
    words,
};
use crate::months::MONTHS;

/// Puts the parts of a reading into words.
pub(super) struct Phrases<'a> {
    catalog: &'a Catalog,
    reading: &'a Reading,
}

impl<'a> Phrases<'a> {
    /// For a reading.
    pub(super) fn new(catalog: &'a Catalog, reading: &'a Reading) -> Self {
        Self { catalog, reading }
    }

    fn plan(&self) -> &'a Plan {
        &self.reading.plan
    }

    /// The base's rows: "flights".
    pub(super) fn rows(&self) -> String {
        plural(&self.plan().table(self.catalog).parts.join(" "))
    }

    /// One of the base's rows: "flight".
    pub(super) fn base_single(&self) -> String {
        words::singular(&self.plan().table(self.catalog).parts.join(" "))
    }

    /// A column as the question calls it, else by the parts of its name.
    pub(super) fn column(&self, column: &ColumnRef) -> String {
        let said = self.reading.said.iter().find(|(known, _)| known == column).map(|(_, said)| said.clone());
        said.unwrap_or_else(|| {
            let parts = &column.info(self.catalog).parts;
            let is_key = parts.len() > 1
                && parts.last().is_some_and(|last| matches!(last.as_str(), "id" | "key" | "code"));
            parts[..parts.len() - usize::from(is_key)].join(" ")
        })
    }

    /// A measure as a noun: "average departure delay".
    pub(super) fn measure(&self, measure: &Measure) -> String {
        match measure {
            Measure::Rows => self.rows(),
            Measure::Distinct(column) if column.info(self.catalog).is_primary_key => {
                format!("different {}", self.rows())
            }
            Measure::Distinct(column) => format!("different {}", plural(&self.column(column))),
            Measure::Of(aggregate, column) => {
                let (word, name) = (self.aggregate_word(*aggregate, column), self.column(column));
                if name.split(' ').any(|part| part == word) { name } else { format!("{word} {name}") }
            }
            Measure::ShareOfRows(_) => format!("share of {}", self.rows()),
            Measure::ShareOfSum(column, _) => format!("share of {}", self.column(column)),
            Measure::AverageRowsPer(per) => {
                format!("average number of {} per {}", self.rows(), self.group_single(per))
            }
            Measure::AverageSumPer(column, per) => {
                format!("average {} per {}", self.column(column), self.group_single(per))
            }
        }
    }

    /// "highest", but "latest" of points in time.
    fn aggregate_word(&self, aggregate: Aggregate, column: &ColumnRef) -> &'static str {
        match (aggregate, column.info(self.catalog).kind.is_temporal()) {
            (Aggregate::Max, true) => "latest",
            (Aggregate::Min, true) => "earliest",
            _ => aggregate.word(),
        }
    }

    /// The measure of a reading's plan.
    pub(super) fn measure_of(&self, reading: &Reading) -> String {
        match &reading.plan.shape {
            Shape::Summary { measures, .. } => {
                measures.first().map_or_else(String::new, |measure| self.measure(measure))
            }
            Shape::Comparison { measure, .. }
            | Shape::Growth { measure, .. }
            | Shape::Anomaly { measure, .. } => self.measure(measure),
            Shape::Rows { .. } | Shape::Values(_) => self.rows(),
        }
    }

    /// A measure after "the most" or "the highest": an extreme of a column is the column itself.
    pub(super) fn ranked(&self, measure: &Measure) -> String {
        match measure {
            Measure::Of(Aggregate::Min | Aggregate::Max, column) => self.column(column),
            other => self.measure(other),
        }
    }

    /// A bound on groups as a verb: "have more than 6 invoices", "have an average delay above 10".
    pub(super) fn having(&self, bounds: &[(Measure, Relation, f64)]) -> String {
        let bounds: Vec<String> = bounds
            .iter()
            .map(|(measure, relation, value)| match (measure, relation) {
                (Measure::Rows | Measure::Distinct(_), Relation::Above) => {
                    format!("more than {value} {}", self.measure(measure))
                }
                (Measure::Rows | Measure::Distinct(_), Relation::Below) => {
                    format!("fewer than {value} {}", self.measure(measure))
                }
                (Measure::Rows | Measure::Distinct(_), Relation::Equal) => {
                    format!("exactly {value} {}", self.measure(measure))
                }
                (Measure::Rows | Measure::Distinct(_), _) => {
                    format!("{} {value} {}", relation.word(), self.measure(measure))
                }
                _ => format!("{} {} {value}", self.measure(measure), relation.word()),
            })
            .collect();
        format!("have {}", bounds.join(" and "))
    }

    fn group(&self, group: &Group) -> String {
        match group {
            Group::Column(column) => {
                let info = column.info(self.catalog);
                let is_name =
                    info.parts.last().is_some_and(|last| matches!(last.as_str(), "name" | "title" | "label"));
                let is_said = self.reading.said.iter().any(|(known, _)| known == column);
                if is_name && !is_said {
                    words::singular(&self.catalog.tables[column.table].parts.join(" "))
                } else {
                    words::singular(&self.column(column))
                }
            }
            Group::FullName(column, _) => words::singular(&self.catalog.tables[column.table].parts.join(" ")),
            Group::Time(_, grain) | Group::Part(_, grain) => grain.word().to_owned(),
            Group::Weekday(_) => "day of the week".to_owned(),
            Group::QuarterOfMonth(_) => "quarter".to_owned(),
        }
    }

    /// "origin and carrier"; of year, month and day only the last.
    pub(super) fn group_single(&self, groups: &[Group]) -> String {
        let is_time = |group: &Group| super::understand::is_time(group, self.catalog);
        if let [.., last] = groups
            && groups.len() > 1
            && groups.iter().all(is_time)
        {
            return self.group(last);
        }
        groups.iter().map(|group| self.group(group)).collect::<Vec<_>>().join(" and ")
    }

    /// "airlines", "combinations of origin and carrier".
    pub(super) fn group_plural(&self, groups: &[Group]) -> String {
        match groups {
            [one] => plural(&self.group(one)),
            several if several.iter().all(|group| super::understand::is_time(group, self.catalog)) => {
                plural(&self.group_single(several))
            }
            several => format!("combinations of {}", self.group_single(several)),
        }
    }

    /// Which rows, after a noun: " with origin JFK in July".
    pub(super) fn scope(&self) -> String {
        self.scope_of(&self.plan().filters)
    }

    /// As [`Self::scope`], for some filters.
    pub(super) fn scope_of(&self, filters: &[Filter]) -> String {
        let mut with = Vec::new();
        let mut without = Vec::new();
        let mut when = Vec::new();
        for filter in filters {
            match filter {
                Filter::Values { column, values, is_negated } => {
                    let list = values.iter().take(6).cloned().collect::<Vec<_>>().join(" or ");
                    let entity = self.group(&Group::Column(column.clone()));
                    let list = if values.len() > 6 { format!("{list} or others") } else { list };
                    with.push(format!("{entity} {}{list}", if *is_negated { "other than " } else { "" }));
                }
                Filter::Number(column, relation, value) => {
                    with.push(format!("{} {} {value}", self.column(column), relation.word()));
                }
                Filter::Missing(column, true) => without.push(self.column(column)),
                Filter::Missing(_, false) => {}
                Filter::Truth(column, wanted) => {
                    let name = self.column(column);
                    with.push(format!("{name} being {}", if *wanted { "true" } else { "false" }));
                }
                Filter::Time(_, range) if range.unit.is_some() && !range.is_relative => {
                    when.push(format!("in {}", range.label));
                }
                Filter::Time(_, range) => when.push(range.label.clone()),
                Filter::Months(_, months) => when.push(format!("in {}", month_names(months.iter().copied()))),
                Filter::Years(_, years) => {
                    let list = years.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
                    when.push(format!("in {list}"));
                }
                Filter::Weekdays(_, days) => {
                    let names = days
                        .iter()
                        .filter_map(|day| lexicon::WEEKDAYS.get((*day as usize).wrapping_sub(1)))
                        .map(|day| format!("{day}s"));
                    when.push(format!("on {}", names.collect::<Vec<_>>().join(" and ")));
                }
                Filter::Parts(column, values) => {
                    let list = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
                    match column.info(self.catalog).name.as_str() {
                        "month" => {
                            when.push(format!(
                                "in {}",
                                month_names(values.iter().map(|value| *value as u32))
                            ));
                        }
                        "year" => when.push(format!("in {list}")),
                        _ => with.push(format!("{} {list}", self.column(column))),
                    }
                }
                Filter::Related(link, _) => {
                    without.push(plural(&self.catalog.tables[link.from_table].parts.join(" ")));
                }
            }
        }
        let mut phrases = Vec::new();
        if !with.is_empty() {
            phrases.push(format!(" with {}", with.join(" and ")));
        }
        if !without.is_empty() {
            phrases.push(format!(" without {}", without.join(" or ")));
        }
        phrases.extend(when.into_iter().map(|when| format!(" {when}")));
        phrases.concat()
    }

    /// How the question was understood, in a sentence or two.
    pub(super) fn understood(&self) -> String {
        let table = format!("`{}`", self.plan().table(self.catalog).name);
        let text = match &self.plan().shape {
            Shape::Summary { groups, measures, .. } => {
                let measured: Vec<String> = measures.iter().map(|measure| self.defined(measure)).collect();
                format!("{}{}", measured.join(" and "), self.by(groups))
            }
            Shape::Rows { order, .. } => {
                let by = order
                    .as_ref()
                    .map_or_else(String::new, |(column, _)| format!(", ordered by {}", self.exact(column)));
                format!("rows of {table}{by}")
            }
            Shape::Values(groups) => format!("the different values{} in {table}", self.by(groups)),
            Shape::Comparison { groups, measure, periods } => format!(
                "{}{}, {} ({}) against {} ({})",
                self.defined(measure),
                self.by(groups),
                periods.current.label,
                span(&periods.current),
                periods.previous.label,
                span(&periods.previous)
            ),
            Shape::Growth { time, measure } => format!(
                "{}{}, each against the one before",
                self.defined(measure),
                self.by(std::slice::from_ref(time))
            ),
            Shape::Anomaly { measure, period, .. } => format!(
                "{} per day {} ({}), each day against the same weekday of the {} weeks before",
                self.defined(measure),
                period.label,
                span(period),
                super::sql::USUAL_WEEKS
            ),
        };
        let is_telling = |filter: &&Filter| !matches!(filter, Filter::Missing(_, false));
        let conditions: Vec<String> =
            self.plan().filters.iter().filter(is_telling).map(|filter| self.condition(filter)).collect();
        let restricted = if conditions.is_empty() {
            String::new()
        } else {
            format!(", where {}", conditions.join(" and "))
        };
        format!("_How I read it:_ {text}{restricted}.")
    }

    fn by(&self, groups: &[Group]) -> String {
        if groups.is_empty() {
            return String::new();
        }
        let names: Vec<String> = groups
            .iter()
            .map(|group| match group {
                Group::Column(column) | Group::QuarterOfMonth(column) | Group::FullName(column, _) => {
                    self.exact(column)
                }
                Group::Time(column, grain) | Group::Part(column, grain) => {
                    format!("{} of {}", grain.word(), self.exact(column))
                }
                Group::Weekday(column) => format!("weekday of {}", self.exact(column)),
            })
            .collect();
        format!(", by {}", names.join(" and "))
    }

    fn exact(&self, column: &ColumnRef) -> String {
        let name = &column.info(self.catalog).name;
        if column.path.is_empty() {
            format!("`{name}`")
        } else {
            format!("`{}.{name}`", self.catalog.tables[column.table].name)
        }
    }

    fn defined(&self, measure: &Measure) -> String {
        let table = format!("`{}`", self.plan().table(self.catalog).name);
        match measure {
            Measure::Rows => format!("the number of rows of {table}"),
            Measure::Distinct(column) => format!("the number of different {} in {table}", self.exact(column)),
            Measure::Of(aggregate, column) => {
                format!("the {} {} in {table}", self.aggregate_word(*aggregate, column), self.exact(column))
            }
            Measure::ShareOfRows(parts) => {
                let conditions: Vec<String> = parts.iter().map(|part| self.condition(part)).collect();
                format!("the share of rows of {table} where {}", conditions.join(" and "))
            }
            Measure::ShareOfSum(column, parts) => {
                let conditions: Vec<String> = parts.iter().map(|part| self.condition(part)).collect();
                format!("the share of {} where {}", self.exact(column), conditions.join(" and "))
            }
            Measure::AverageRowsPer(per) => {
                format!("the number of rows of {table}{}, averaged", self.by(per))
            }
            Measure::AverageSumPer(column, per) => {
                format!("the total {}{}, averaged", self.exact(column), self.by(per))
            }
        }
    }

    fn condition(&self, filter: &Filter) -> String {
        match filter {
            Filter::Values { column, values, is_negated } => {
                let list =
                    values.iter().take(6).map(|value| format!("“{value}”")).collect::<Vec<_>>().join(" or ");
                format!("{} is {}{list}", self.exact(column), if *is_negated { "not " } else { "" })
            }
            Filter::Number(column, relation, value) if *relation == Relation::Equal => {
                format!("{} is {value}", self.exact(column))
            }
            Filter::Number(column, relation, value) => {
                format!("{} is {} {value}", self.exact(column), relation.word())
            }
            Filter::Missing(column, true) => format!("{} is missing", self.exact(column)),
            Filter::Missing(column, false) => format!("{} is known", self.exact(column)),
            Filter::Truth(column, wanted) => format!("{} is {wanted}", self.exact(column)),
            Filter::Time(column, range) => {
                format!("{} is in {} ({})", self.exact(column), range.label, span(range))
            }
            Filter::Months(column, months) => {
                format!("{} is in {} of any year", self.exact(column), month_names(months.iter().copied()))
            }
            Filter::Years(column, years) => {
                let list: Vec<String> = years.iter().map(ToString::to_string).collect();
                format!("{} is in {}", self.exact(column), list.join(" or "))
            }
            Filter::Weekdays(column, days) => {
                let names: Vec<&str> = days
                    .iter()
                    .filter_map(|day| lexicon::WEEKDAYS.get((*day as usize).wrapping_sub(1)))
                    .copied()
                    .collect();
                format!("{} is a {}", self.exact(column), names.join(" or "))
            }
            Filter::Parts(column, values) => {
                let list: Vec<String> = values.iter().map(ToString::to_string).collect();
                format!("{} is {}", self.exact(column), list.join(" or "))
            }
            Filter::Related(link, _) => {
                format!("no row of `{}` belongs to it", self.catalog.tables[link.from_table].name)
            }
        }
    }
}

fn month_names(months: impl Iterator<Item = u32>) -> String {
    let names: Vec<&str> =
        months.filter_map(|month| MONTHS.get((month as usize).wrapping_sub(1))).copied().collect();
    names.join(" and ")
}

/// The first and the last day of a range.
fn span(range: &super::calendar::Range) -> String {
    let last = range.to.and_then(|to| to.pred_opt());
    match (range.from, last) {
        (Some(from), Some(last)) if from == last => from.to_string(),
        (Some(from), Some(last)) => format!("{from} to {last}"),
        (Some(from), None) => format!("from {from}"),
        (None, Some(last)) => format!("to {last}"),
        (None, None) => "all time".to_owned(),
    }
}
