//! The query that a question comes down to, free of any SQL dialect.

use super::{
    calendar::Range,
    catalog::{Catalog, ColumnInfo, Grain, TableInfo},
    lexicon::Direction,
};

/// A way from rows of one table to at most one row each of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The table with the reference.
    pub from_table: usize,
    /// Its columns.
    pub from_columns: Vec<usize>,
    /// The table referred to.
    pub to_table: usize,
    /// The columns that are unique in it.
    pub to_columns: Vec<usize>,
}

/// A column of the base table, or of one that links lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ColumnRef {
    /// The links from the base table, first to last.
    pub path: Vec<Link>,
    /// The table it is in.
    pub table: usize,
    /// Its position there.
    pub column: usize,
}

impl ColumnRef {
    /// The column itself.
    pub(super) fn info<'a>(&self, catalog: &'a Catalog) -> &'a ColumnInfo {
        &catalog.tables[self.table].columns[self.column]
    }
}

/// How many values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    /// Their mean.
    Average,
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The middle one.
    Median,
    /// How far they scatter: the standard deviation of a sample.
    Deviation,
}

impl Aggregate {
    /// As the beginning of a column's name.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Average => "avg",
            Self::Sum => "total",
            Self::Min => "min",
            Self::Max => "max",
            Self::Median => "median",
            Self::Deviation => "stddev",
        }
    }

    /// As a person says it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Sum => "total",
            Self::Min => "lowest",
            Self::Max => "highest",
            Self::Median => "median",
            Self::Deviation => "standard deviation of",
        }
    }
}

/// What is measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Measure {
    /// How many rows.
    Rows,
    /// How many different values.
    Distinct(ColumnRef),
    /// An aggregate of a column.
    Of(Aggregate, ColumnRef),
    /// The share of rows that pass, of those that the plan's filters leave.
    ShareOfRows(Vec<Filter>),
    /// The sum over the rows that pass, over the sum of all.
    ShareOfSum(ColumnRef, Vec<Filter>),
    /// The mean of how many rows fall to one of these: "orders per customer".
    AverageRowsPer(Vec<Group>),
    /// The mean of the sums that fall to one of these: "revenue per day".
    AverageSumPer(ColumnRef, Vec<Group>),
}

/// What rows are put together by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Group {
    /// A column's values.
    Column(ColumnRef),
    /// First and last name, said as one.
    FullName(ColumnRef, ColumnRef),
    /// A point in time made coarser.
    Time(ColumnRef, Grain),
    /// A part of a point in time, whichever year or day it is of: the hour of the day, the month of the year.
    Part(ColumnRef, Grain),
    /// The day of the week.
    Weekday(ColumnRef),
    /// A quarter reckoned from a column of months.
    QuarterOfMonth(ColumnRef),
}

/// An order relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// More than.
    Above,
    /// At least.
    AtLeast,
    /// Less than.
    Below,
    /// At most.
    AtMost,
    /// The same as.
    Equal,
}

impl Relation {
    /// In SQL.
    pub(super) const fn sql(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
        }
    }

    /// As a person says it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::AtLeast => "at least",
            Self::Below => "below",
            Self::AtMost => "at most",
            Self::Equal => "equal to",
        }
    }
}

/// Which rows count.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    /// A column has one of these values.
    Values {
        /// The column.
        column: ColumnRef,
        /// The values, as they stand in the data.
        values: Vec<String>,
        /// Whether it must have none of them.
        is_negated: bool,
    },
    /// A column's number against a bound.
    Number(ColumnRef, Relation, f64),
    /// A column has no value, or has one.
    Missing(ColumnRef, bool),
    /// A column is true, or false.
    Truth(ColumnRef, bool),
    /// A point in time lies in a range.
    Time(ColumnRef, Range),
    /// A point in time falls in one of these months, 1 to 12, of any year.
    Months(ColumnRef, Vec<u32>),
    /// A point in time falls in one of these years.
    Years(ColumnRef, Vec<i64>),
    /// A point in time falls on these weekdays, 1 to 7 from Monday.
    Weekdays(ColumnRef, Vec<u32>),
    /// A column of whole numbers has one of these.
    Parts(ColumnRef, Vec<i64>),
    /// Rows of another table that refer to this one by the link are absent, or present.
    Related(Link, bool),
}

/// In which order and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank {
    /// From which end.
    pub direction: Direction,
    /// How many.
    pub limit: u32,
}

/// Two periods side by side.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Periods {
    /// The point in time.
    pub column: ColumnRef,
    /// The period asked about.
    pub current: Range,
    /// The one that it is held against.
    pub previous: Range,
}

/// What the rows of the answer are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Measures by groups; one row where there is no group.
    Summary {
        /// One after the other, as columns.
        groups: Vec<Group>,
        /// At least one; the first is ranked by.
        measures: Vec<Measure>,
        /// Bounds on what the groups come to.
        having: Vec<(Measure, Relation, f64)>,
        /// The first or last few only.
        rank: Option<Rank>,
        /// Whether each group's share of all is asked for.
        with_share: bool,
        /// Whether shares are asked for in per cent, so that they stand there that way as well.
        in_percent: bool,
        /// Whether only the number of such groups is asked for.
        only_count: bool,
    },
    /// Single rows.
    Rows {
        /// The columns to show.
        columns: Vec<ColumnRef>,
        /// Ordered by a column.
        order: Option<(ColumnRef, Direction)>,
        /// At most as many.
        limit: Option<u32>,
    },
    /// The different values of columns.
    Values(Vec<Group>),
    /// A measure in two periods, by groups.
    Comparison {
        /// By what.
        groups: Vec<Group>,
        /// What.
        measure: Measure,
        /// When.
        periods: Periods,
    },
    /// A measure per period with its change against the period before.
    Growth {
        /// Periods.
        time: Group,
        /// What.
        measure: Measure,
    },
    /// Each day of a period held against the same weekdays before it.
    Anomaly {
        /// What.
        measure: Measure,
        /// The point in time.
        column: ColumnRef,
        /// The days in question.
        period: Range,
    },
}

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// The table whose rows are counted.
    pub base: usize,
    /// All must hold.
    pub filters: Vec<Filter>,
    /// What comes out.
    pub shape: Shape,
}

impl Measure {
    /// The conditions on the rows that a share is of.
    fn filters(&self) -> &[Filter] {
        match self {
            Self::ShareOfRows(parts) | Self::ShareOfSum(_, parts) => parts,
            Self::Rows
            | Self::Distinct(_)
            | Self::Of(..)
            | Self::AverageRowsPer(_)
            | Self::AverageSumPer(..) => &[],
        }
    }

    fn uses(&self, column: &ColumnRef) -> bool {
        match self {
            Self::Rows => false,
            Self::Distinct(own) | Self::Of(_, own) => own == column,
            Self::ShareOfRows(parts) => parts.iter().any(|part| part.uses(column)),
            Self::ShareOfSum(own, parts) => own == column || parts.iter().any(|part| part.uses(column)),
            Self::AverageRowsPer(per) => per.iter().any(|group| group.uses(column)),
            Self::AverageSumPer(own, per) => own == column || per.iter().any(|group| group.uses(column)),
        }
    }
}

impl Group {
    fn uses(&self, column: &ColumnRef) -> bool {
        match self {
            Self::Column(own)
            | Self::Time(own, _)
            | Self::Part(own, _)
            | Self::Weekday(own)
            | Self::QuarterOfMonth(own) => own == column,
            Self::FullName(first, last) => first == column || last == column,
        }
    }
}

impl Filter {
    fn uses(&self, column: &ColumnRef) -> bool {
        match self {
            Self::Values { column: own, .. }
            | Self::Number(own, ..)
            | Self::Missing(own, _)
            | Self::Truth(own, _)
            | Self::Time(own, _)
            | Self::Months(own, _)
            | Self::Years(own, _)
            | Self::Weekdays(own, _)
            | Self::Parts(own, _) => own == column,
            Self::Related(..) => false,
        }
    }
}

impl Plan {
    /// Whether its answer would be another without a column.
    pub(super) fn uses(&self, column: &ColumnRef) -> bool {
        let in_shape = match &self.shape {
            Shape::Summary { groups, measures, having, .. } => {
                groups.iter().any(|group| group.uses(column))
                    || measures.iter().any(|measure| measure.uses(column))
                    || having.iter().any(|(measure, ..)| measure.uses(column))
            }
            Shape::Rows { columns, order, .. } => {
                columns.contains(column) || order.as_ref().is_some_and(|(own, _)| own == column)
            }
            Shape::Values(groups) => groups.iter().any(|group| group.uses(column)),
            Shape::Comparison { groups, measure, periods } => {
                groups.iter().any(|group| group.uses(column))
                    || measure.uses(column)
                    || periods.column == *column
            }
            Shape::Growth { time, measure } => time.uses(column) || measure.uses(column),
            Shape::Anomaly { measure, column: own, .. } => measure.uses(column) || own == column,
        };
        in_shape || self.filters.iter().any(|filter| filter.uses(column))
    }

    /// The stretches of days that it asks about.
    pub(super) fn ranges(&self) -> Vec<&Range> {
        let (measures, own): (Vec<&Measure>, Vec<&Range>) = match &self.shape {
            Shape::Summary { measures, having, .. } => {
                (measures.iter().chain(having.iter().map(|(measure, ..)| measure)).collect(), vec![])
            }
            Shape::Rows { .. } | Shape::Values(_) => (vec![], vec![]),
            Shape::Comparison { measure, periods, .. } => {
                (vec![measure], vec![&periods.current, &periods.previous])
            }
            Shape::Growth { measure, .. } => (vec![measure], vec![]),
            Shape::Anomaly { measure, period, .. } => (vec![measure], vec![period]),
        };
        let filters = self.filters.iter().chain(measures.into_iter().flat_map(Measure::filters));
        let filtered = filters.filter_map(|filter| match filter {
            Filter::Time(_, range) => Some(range),
            _ => None,
        });
        own.into_iter().chain(filtered).collect()
    }

    /// The base table.
    pub(super) fn table<'a>(&self, catalog: &'a Catalog) -> &'a TableInfo {
        &catalog.tables[self.base]
    }
}
