//! Plans as SQL, for PostgreSQL and DuckDB. Writing to a string cannot fail, so what `write!` answers is passed over.

mod change;
mod conditions;
mod text;

use std::fmt::Write as _;

use chrono_tz::Tz;
use domain::table::ColumnType;

pub(super) use change::{drill_down, extent};
use text::{Names, aggregate_sql, aliased, identifier, number, output_name, push_group_by, where_clause};
pub(super) use text::{quoted, text_literal};

use super::{
    catalog::{Catalog, Dialect, Grain},
    lexicon::Direction,
    plan::{ColumnRef, Filter, Group, Link, Measure, Plan, Rank, Shape},
    words,
};

/// How many weeks before a period tell what is usual.
pub(super) const USUAL_WEEKS: i64 = 8;

/// A statement and what its columns are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Statement {
    /// The SQL.
    pub sql: String,
    /// The names of the columns that groups became, in order.
    pub groups: Vec<String>,
    /// The names of the columns that measures became, in order.
    pub measures: Vec<String>,
}

/// Writes plans over a catalog.
pub(super) struct Writer<'a> {
    catalog: &'a Catalog,
    timezone: Tz,
    base: usize,
    /// The tables joined so far, each by its path.
    joins: Vec<Vec<Link>>,
    /// Whether columns must be qualified.
    is_qualified: bool,
}

/// The statements that answer a plan; the first is the main one.
pub(super) fn statements(catalog: &Catalog, plan: &Plan, timezone: Tz) -> Vec<Statement> {
    let mut statements = vec![Writer::new(catalog, plan, timezone).statement(plan)];
    if let Shape::Comparison { groups, measure, periods } = &plan.shape
        && !groups.is_empty()
    {
        let shape = Shape::Comparison { groups: vec![], measure: measure.clone(), periods: periods.clone() };
        let whole = Plan { shape, ..plan.clone() };
        statements.push(Writer::new(catalog, &whole, timezone).statement(&whole));
    }
    if let Shape::Summary { groups, measures, rank: None, with_share: false, .. } = &plan.shape {
        // Beside a series of several lines stand their totals.
        let lines: Vec<Group> = groups
            .iter()
            .filter(|group| !crate::builtin::understand::is_time(group, catalog))
            .cloned()
            .collect();
        if !lines.is_empty() && lines.len() < groups.len() {
            let shape = Shape::Summary {
                groups: lines,
                measures: measures.clone(),
                having: vec![],
                rank: None,
                with_share: false,
                in_percent: false,
                only_count: false,
            };
            let whole = Plan { shape, ..plan.clone() };
            statements.push(Writer::new(catalog, &whole, timezone).statement(&whole));
        }
    }
    statements
}

impl<'a> Writer<'a> {
    fn new(catalog: &'a Catalog, plan: &Plan, timezone: Tz) -> Self {
        let mut writer = Self { catalog, timezone, base: plan.base, joins: Vec::new(), is_qualified: false };
        // A dry run finds the joins, so that the real one knows whether names must be qualified.
        let related = plan.filters.iter().any(|filter| matches!(filter, Filter::Related(..)));
        writer.statement(plan);
        writer.is_qualified = !writer.joins.is_empty() || related;
        writer
    }

    /// For a statement about one column, which may lie in another table.
    pub(super) fn reaching(catalog: &'a Catalog, base: usize, timezone: Tz, column: &ColumnRef) -> Self {
        let mut writer = Self { catalog, timezone, base, joins: Vec::new(), is_qualified: false };
        writer.column(column);
        writer.is_qualified = !writer.joins.is_empty();
        writer
    }

    fn statement(&mut self, plan: &Plan) -> Statement {
        match &plan.shape {
            Shape::Summary { .. } => self.summary(plan),
            Shape::Rows { columns, order, limit } => self.rows(plan, columns, order.as_ref(), *limit),
            Shape::Values(groups) => self.values(plan, groups),
            Shape::Comparison { groups, measure, periods } => self.comparison(plan, groups, measure, periods),
            Shape::Growth { time, measure } => self.growth(plan, time, measure),
            Shape::Anomaly { measure, column, period } => self.anomaly(plan, measure, column, period),
        }
    }

    fn summary(&mut self, plan: &Plan) -> Statement {
        let Shape::Summary { groups, measures, having, rank, with_share, in_percent, only_count } =
            &plan.shape
        else {
            return Statement::default();
        };
        let rank = *rank;
        if let [Measure::AverageRowsPer(per)] = measures.as_slice() {
            return self.average_per(plan, groups, per, None, rank);
        }
        if let [Measure::AverageSumPer(column, per)] = measures.as_slice() {
            return self.average_per(plan, groups, per, Some(column), rank);
        }
        let mut names = Names::default();
        let mut selected: Vec<String> = Vec::new();
        let group_names = self.select_groups(groups, &mut names, &mut selected);
        let grouped = selected.len();
        let mut measure_names = Vec::new();
        for measure in measures {
            for (expression, name) in self.measure_columns(measure) {
                let name = names.unique(&name);
                selected.push(format!("{expression} AS {}", quoted(&name)));
                measure_names.push(name);
            }
        }
        if *with_share && let Some(measure) = measures.first() {
            let expression = self.measure(measure);
            let name = names.unique("share");
            selected.push(format!("1.0 * {expression} / nullif(sum({expression}) OVER (), 0) AS {name}"));
            measure_names.push(name);
        }
        if *in_percent
            && let Some(share) = selected.iter().find_map(|column| column.strip_suffix(" AS share"))
        {
            selected.push(format!("100.0 * {share} AS {}", names.unique("percent")));
        }
        let filter = self.filter(&plan.filters);
        let bounds: Vec<String> = having
            .iter()
            .map(|(measure, relation, value)| {
                format!("{} {} {}", self.measure(measure), relation.sql(), number(*value))
            })
            .collect();
        let mut sql = format!("SELECT {}\nFROM {}{filter}", selected.join(", "), self.from());
        push_group_by(&mut sql, grouped);
        if !bounds.is_empty() {
            let _ = write!(sql, "\nHAVING {}", bounds.join(" AND "));
        }
        if *only_count {
            let name = identifier(&groups.last().map_or_else(String::new, |group| {
                crate::builtin::reply::plural(self.group_name(group).trim_end_matches("_id"))
            }));
            let sql = format!("SELECT count(*) AS {}\nFROM (\n{sql}\n) AS found", quoted(&name));
            return Statement { sql, groups: vec![], measures: vec![name] };
        }
        self.push_order(&mut sql, groups, grouped, measures, rank);
        Statement { sql, groups: group_names, measures: measure_names }
    }

    fn push_order(
        &self,
        sql: &mut String,
        groups: &[Group],
        grouped: usize,
        measures: &[Measure],
        rank: Option<Rank>,
    ) {
        if grouped == 0 {
            return;
        }
        let by_groups: Vec<String> = (1..=grouped).map(|position| position.to_string()).collect();
        let in_time =
            groups.first().is_some_and(|group| crate::builtin::understand::is_time(group, self.catalog));
        let groups_last = by_groups.join(", ");
        let measure = grouped + 1;
        let order = match rank {
            Some(Rank { direction, limit }) => {
                let way = if direction == Direction::Most { "DESC" } else { "ASC" };
                format!("{measure} {way} NULLS LAST, {groups_last}\nLIMIT {limit}")
            }
            None if in_time => groups_last,
            None => {
                let way = if crate::builtin::understand::rises(measures) { "ASC" } else { "DESC" };
                format!("{measure} {way} NULLS LAST, {groups_last}")
            }
        };
        let _ = write!(sql, "\nORDER BY {order}");
    }

    fn select_groups(
        &mut self,
        groups: &[Group],
        names: &mut Names,
        selected: &mut Vec<String>,
    ) -> Vec<String> {
        let mut shown = Vec::new();
        for group in groups {
            if let Group::Weekday(column) = group {
                let local = self.local(column);
                let number = names.unique("weekday_number");
                selected.push(format!("CAST(EXTRACT(isodow FROM {local}) AS integer) AS {number}"));
            }
            let expression = self.group(group);
            let name = names.unique(&self.group_name(group));
            selected.push(if expression == quoted(&name) {
                expression
            } else {
                format!("{expression} AS {}", quoted(&name))
            });
            shown.push(name);
        }
        shown
    }

    /// The mean over pieces: first a count or sum per piece, then its mean.
    fn average_per(
        &mut self,
        plan: &Plan,
        groups: &[Group],
        per: &[Group],
        summed: Option<&ColumnRef>,
        rank: Option<Rank>,
    ) -> Statement {
        let mut names = Names::default();
        let mut inner: Vec<String> = Vec::new();
        let group_names = self.select_groups(groups, &mut names, &mut inner);
        let outer: Vec<String> = inner.iter().map(|column| output_name(column)).collect();
        self.select_groups(per, &mut names, &mut inner);
        let pieces = inner.len();
        let (expression, of) = match summed {
            Some(column) => (format!("sum({})", self.column(column)), column.info(self.catalog).name.clone()),
            None => ("count(*)".to_owned(), identifier(&plan.table(self.catalog).name)),
        };
        inner.push(format!("{expression} AS piece"));
        let filter = self.filter(&plan.filters);
        let mut sql = format!("SELECT {}\nFROM {}{filter}", inner.join(", "), self.from());
        push_group_by(&mut sql, pieces);
        let per_name = per.last().map_or_else(String::new, |group| {
            format!("_per_{}", self.group_name(group).trim_end_matches("_id"))
        });
        let name = names.unique(&format!("avg_{of}{per_name}"));
        let mut selected = outer;
        let grouped = selected.len();
        selected.push(format!("avg(piece) AS {}", quoted(&name)));
        let mut whole = format!("SELECT {}\nFROM (\n{sql}\n) AS pieces", selected.join(", "));
        push_group_by(&mut whole, grouped);
        self.push_order(&mut whole, groups, grouped, &[], rank);
        Statement { sql: whole, groups: group_names, measures: vec![name] }
    }

    fn rows(
        &mut self,
        plan: &Plan,
        columns: &[ColumnRef],
        order: Option<&(ColumnRef, Direction)>,
        limit: Option<u32>,
    ) -> Statement {
        let mut names = Names::default();
        let mut selected = Vec::new();
        let mut shown = Vec::new();
        for column in columns {
            let expression = self.column(column);
            let name = names.unique(&identifier(&column.info(self.catalog).name));
            selected.push(if expression == quoted(&name) {
                expression
            } else {
                format!("{expression} AS {}", quoted(&name))
            });
            shown.push(name);
        }
        let order_by = order.map(|(column, direction)| {
            let way = if *direction == Direction::Most { "DESC" } else { "ASC" };
            format!("\nORDER BY {} {way} NULLS LAST, 1", self.column(column))
        });
        let filter = self.filter(&plan.filters);
        let mut sql = format!("SELECT {}\nFROM {}{filter}", selected.join(", "), self.from());
        sql.push_str(&order_by.unwrap_or_else(|| "\nORDER BY 1".into()));
        if let Some(limit) = limit {
            let _ = write!(sql, "\nLIMIT {limit}");
        }
        let measures =
            order.map(|(column, _)| identifier(&column.info(self.catalog).name)).into_iter().collect();
        Statement { sql, groups: shown, measures }
    }

    fn values(&mut self, plan: &Plan, groups: &[Group]) -> Statement {
        let mut names = Names::default();
        let mut selected = Vec::new();
        let group_names = self.select_groups(groups, &mut names, &mut selected);
        let mut conditions = self.conditions(&plan.filters);
        conditions.extend(groups.iter().map(|group| format!("{} IS NOT NULL", self.group(group))));
        let positions: Vec<String> = (1..=selected.len()).map(|position| position.to_string()).collect();
        let filter = where_clause(&conditions);
        let sql = format!(
            "SELECT DISTINCT {}\nFROM {}{filter}\nORDER BY {}",
            selected.join(", "),
            self.from(),
            positions.join(", ")
        );
        Statement { sql, groups: group_names, measures: vec![] }
    }

    /// The base with its joins.
    pub(super) fn from(&self) -> String {
        let base = &self.catalog.tables[self.base];
        if !self.is_qualified {
            return base.sql_name.clone();
        }
        let mut sql = aliased(&base.sql_name, &self.alias(&[]));
        for path in &self.joins {
            let Some(link) = path.last() else { continue };
            let (here, there) = (self.alias(&path[..path.len() - 1]), self.alias(path));
            let from = &self.catalog.tables[link.from_table];
            let to = &self.catalog.tables[link.to_table];
            let pairs: Vec<String> = link
                .from_columns
                .iter()
                .zip(&link.to_columns)
                .map(|(from_column, to_column)| {
                    let key = quoted(&to.columns[*to_column].name);
                    format!("{there}.{key} = {here}.{}", quoted(&from.columns[*from_column].name))
                })
                .collect();
            let _ = write!(sql, "\nJOIN {} ON {}", aliased(&to.sql_name, &there), pairs.join(" AND "));
        }
        sql
    }

    /// The name of a joined table in the statement: its own, or with the column that leads there.
    pub(super) fn alias(&self, path: &[Link]) -> String {
        let Some(link) = path.last() else {
            return quoted(&identifier(&self.catalog.tables[self.base].name));
        };
        let table = &self.catalog.tables[link.to_table];
        let is_shared = self
            .joins
            .iter()
            .filter(|join| join.last().is_some_and(|last| last.to_table == link.to_table))
            .count()
            > 1;
        let column = &self.catalog.tables[link.from_table].columns[link.from_columns[0]];
        quoted(&if is_shared {
            identifier(&format!("{}_{}", column.name, table.name))
        } else {
            identifier(&table.name)
        })
    }

    /// A column, with its joins noted.
    pub(super) fn column(&mut self, column: &ColumnRef) -> String {
        for length in 1..=column.path.len() {
            let path = column.path[..length].to_vec();
            if !self.joins.contains(&path) {
                self.joins.push(path);
            }
        }
        let name = quoted(&column.info(self.catalog).name);
        if self.is_qualified { format!("{}.{name}", self.alias(&column.path)) } else { name }
    }

    /// A point in time as wall time of the turn's zone.
    pub(super) fn local(&mut self, column: &ColumnRef) -> String {
        let name = self.column(column);
        match column.info(self.catalog).kind {
            ColumnType::TimestampTz => format!("({name} AT TIME ZONE '{}')", self.timezone.name()),
            _ => name,
        }
    }

    pub(super) fn group(&mut self, group: &Group) -> String {
        match group {
            Group::Column(column) => self.column(column),
            Group::FullName(first, last) => format!("{} || ' ' || {}", self.column(first), self.column(last)),
            Group::Time(column, grain) => {
                let local = self.local(column);
                match (grain, column.info(self.catalog).kind) {
                    (Grain::Day, ColumnType::Date) => local,
                    (Grain::Hour, _) => format!("date_trunc('hour', {local})"),
                    (Grain::Day, _) => format!("CAST({local} AS date)"),
                    _ => format!("CAST(date_trunc('{}', {local}) AS date)", grain.word()),
                }
            }
            Group::Weekday(column) => {
                let local = self.local(column);
                match self.catalog.dialect {
                    Dialect::Postgres => format!("to_char({local}, 'FMDay')"),
                    Dialect::DuckDb => format!("dayname({local})"),
                }
            }
            Group::Part(column, grain) => {
                let local = self.local(column);
                format!("CAST(EXTRACT({} FROM {local}) AS integer)", grain.word())
            }
            Group::QuarterOfMonth(column) => format!("CAST(ceil({} / 3.0) AS integer)", self.column(column)),
        }
    }

    /// What a group's column is called.
    pub(super) fn group_name(&self, group: &Group) -> String {
        match group {
            Group::Column(column) => {
                let info = column.info(self.catalog);
                let table = &self.catalog.tables[column.table];
                let is_entity_name = !column.path.is_empty()
                    && info.parts.len() == 1
                    && matches!(info.parts[0].as_str(), "name" | "title" | "label");
                identifier(&if is_entity_name { words::singular(&table.name) } else { info.name.clone() })
            }
            Group::FullName(column, _) => {
                identifier(&words::singular(&self.catalog.tables[column.table].name))
            }
            Group::Time(_, grain) | Group::Part(_, grain) => grain.word().to_owned(),
            Group::Weekday(_) => "weekday".to_owned(),
            Group::QuarterOfMonth(_) => "quarter".to_owned(),
        }
    }

    /// A measure as an expression; the share itself for shares.
    pub(super) fn measure(&mut self, measure: &Measure) -> String {
        match measure {
            Measure::Rows | Measure::AverageRowsPer(_) => "count(*)".to_owned(),
            Measure::Distinct(column) => format!("count(DISTINCT {})", self.column(column)),
            Measure::Of(aggregate, column) => aggregate_sql(*aggregate, &self.column(column)),
            Measure::AverageSumPer(column, _) => format!("sum({})", self.column(column)),
            Measure::ShareOfRows(parts) => {
                let condition = self.conditions(parts).join(" AND ");
                format!("avg(CASE WHEN {condition} THEN 1.0 ELSE 0.0 END)")
            }
            Measure::ShareOfSum(column, parts) => {
                let condition = self.conditions(parts).join(" AND ");
                let column = self.column(column);
                format!("1.0 * sum({column}) FILTER (WHERE {condition}) / nullif(sum({column}), 0)")
            }
        }
    }

    /// A measure over the rows of a period only.
    pub(super) fn measure_when(&mut self, measure: &Measure, condition: &str) -> String {
        let expression = self.measure(measure);
        match measure {
            Measure::ShareOfSum(..) => expression,
            _ => format!("{expression} FILTER (WHERE {condition})"),
        }
    }

    /// A measure as columns: the value first, then what it rests on.
    fn measure_columns(&mut self, measure: &Measure) -> Vec<(String, String)> {
        let name = self.measure_name(measure);
        let expression = self.measure(measure);
        match measure {
            Measure::ShareOfRows(parts) => {
                let condition = self.conditions(parts).join(" AND ");
                let rows = identifier(&self.catalog.tables[self.base].name);
                vec![
                    (expression, name),
                    (format!("count(*) FILTER (WHERE {condition})"), format!("matching_{rows}")),
                    ("count(*)".to_owned(), rows),
                ]
            }
            _ => vec![(expression, name)],
        }
    }

    /// What a measure's column is called.
    pub(super) fn measure_name(&self, measure: &Measure) -> String {
        let table = &self.catalog.tables[self.base].name;
        identifier(&match measure {
            Measure::Rows | Measure::AverageRowsPer(_) => table.clone(),
            Measure::Distinct(column) => {
                let info = column.info(self.catalog);
                if info.is_primary_key { table.clone() } else { format!("distinct_{}", info.name) }
            }
            Measure::Of(aggregate, column) => {
                let name = &column.info(self.catalog).name;
                let prefix = aggregate.prefix();
                if name.to_lowercase().starts_with(prefix) {
                    name.clone()
                } else {
                    format!("{prefix}_{name}")
                }
            }
            Measure::AverageSumPer(column, _) => format!("avg_{}", column.info(self.catalog).name),
            Measure::ShareOfRows(_) | Measure::ShareOfSum(..) => "share".to_owned(),
        })
    }
}
