//! The part of reading that finds questions for rows and for values, rather than for sums of them.

use super::{
    cues::Cue,
    lexicon::{self, Direction},
    measures::column_is_quantity,
    mention::Target,
    plan::{ColumnRef, Filter, Group, Plan, Shape},
    reader::{ItemKind, Reader},
    understand::{Asked, DEFAULT_LIMIT, Grouping},
    words,
};

impl Reader<'_> {
    /// "the highest airport", "which plane has the most seats", "top 10 products by price": rows of the base itself.
    pub(super) fn read_single_rows(
        &mut self,
        asked: Asked,
        superlative: Option<usize>,
        grouping: &Grouping,
    ) -> Option<Plan> {
        if !grouping.groups.is_empty()
            || self.has_cue(|cue| matches!(cue, Cue::Aggregate(_) | Cue::Count | Cue::Share(_) | Cue::Amount))
        {
            return None;
        }
        // "which product launched first": the words name a date of the base's rows.
        let names_moment = |item: usize| {
            matches!(self.candidates(item).first().map(|best| &best.target), Some(Target::Column(column))
                if column.path.is_empty() && column.info(self.catalog).kind.is_temporal())
        };
        let names_base = asked.item.is_some_and(|item| self.is_base(item) || names_moment(item));
        let (order, direction) = match superlative {
            Some(index) => self.superlative_order(index, asked, names_base)?,
            None => self.top_order(asked.top.filter(|_| names_base)?)?,
        };
        let thing = asked
            .item
            .filter(|item| self.is_base(*item))
            .or_else(|| superlative.and_then(|index| self.next_named(index + 1)));
        let is_many =
            thing.is_some_and(|item| words::is_plural(&self.question.tokens[self.items[item].end - 1].lower));
        let limit = asked.limit.unwrap_or(if is_many { DEFAULT_LIMIT } else { 1 });
        if let Some(item) = thing {
            self.take(item);
        }
        self.bonus += 0.8;
        let mut columns = self.identifying_columns();
        for column in self.mentioned_columns().into_iter().chain([order.clone()]) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        self.drop_missing(&order);
        let shape = Shape::Rows { columns, order: Some((order, direction)), limit: Some(limit) };
        Some(Plan { base: self.base, filters: self.filters.clone(), shape })
    }

    /// The column that a superlative orders rows of the base by, and from which end.
    fn superlative_order(
        &mut self,
        index: usize,
        asked: Asked,
        names_base: bool,
    ) -> Option<(ColumnRef, Direction)> {
        let catalog = self.catalog;
        let Some(Cue::Superlative(degree)) = self.cue(index).cloned() else { return None };
        let after = self.next_item(index + 1);
        // "the highest airport", "the name of the highest airport"
        let asks_for_column = asked.item.is_none_or(|item| {
            matches!(self.candidates(item).first().map(|best| &best.target), Some(Target::Column(column)) if column.path.is_empty())
        });
        let after_is_base = after.is_some_and(|after| self.is_base(after));
        let long = after.and_then(|after| lexicon::long_adjective(&self.text(after).to_lowercase()));
        if let Some(attributes) = long {
            let follows = after.and_then(|after| self.next_item(after + 1));
            if !names_base && !follows.is_some_and(|follows| self.is_base(follows)) {
                return None;
            }
            let (column, _) = self.attribute_column(attributes, &[])?;
            self.items[after?].kind = ItemKind::Word(false);
            return Some((column, degree.direction));
        }
        if (after_is_base && !names_base && asks_for_column) || (names_base && after.is_none()) {
            let said = self.text(index).to_lowercase();
            if matches!(said.as_str(), "first" | "last" | "earliest" | "latest") {
                return Some((self.time_column(asked.item)?, degree.direction));
            }
            let (column, is_reversed) = self.attribute_column(degree.attributes, degree.reversed)?;
            let direction = if is_reversed { degree.direction.reversed() } else { degree.direction };
            return Some((column, direction));
        }
        let at = after.filter(|at| names_base && !self.may_be_base(*at))?;
        let column =
            self.column_at(at, |column| column.path.is_empty() && column_is_quantity(catalog, column))?;
        self.take(at);
        Some((column, degree.direction))
    }

    /// The column that "top 10 products by price" orders by.
    fn top_order(&mut self, direction: Direction) -> Option<(ColumnRef, Direction)> {
        let catalog = self.catalog;
        let by = self.cues_where(|cue| *cue == Cue::By).first().copied()?;
        let at = self.next_item(by + 1)?;
        let column =
            self.column_at(at, |column| column.path.is_empty() && column_is_quantity(catalog, column))?;
        self.take(at);
        Some((column, direction))
    }

    /// Rows without the quantity that is ranked by have no place in the ranking.
    pub(super) fn drop_missing(&mut self, column: &ColumnRef) {
        if column.info(self.catalog).nullable {
            self.filters.push(Filter::Missing(column.clone(), false));
        }
    }

    /// What tells rows of the base apart for people: the name, else the key, else every column.
    pub(super) fn identifying_columns(&self) -> Vec<ColumnRef> {
        let table = self.table();
        if let Some((first, last)) = table.first_name_pair().filter(|_| table.display().is_none()) {
            return vec![self.own(first), self.own(last)];
        }
        match table.display().or_else(|| table.key()) {
            Some(column) => vec![self.own(column)],
            None => (0..table.columns.len()).map(|column| self.own(column)).collect(),
        }
    }

    /// Columns that unused mentions name, taken; and those of filters, which a list should show.
    pub(super) fn mentioned_columns(&mut self) -> Vec<ColumnRef> {
        let mut columns = Vec::new();
        for index in 0..self.items.len() {
            if !self.items[index].is_used
                && let Some(Target::Column(column)) =
                    self.candidates(index).first().map(|best| best.target.clone())
            {
                self.take(index);
                columns.push(column);
            }
        }
        for filter in &self.filters {
            if let Filter::Number(column, ..) | Filter::Values { column, .. } = filter
                && !columns.contains(column)
            {
                columns.push(column.clone());
            }
        }
        columns
    }

    /// Lists: "which planes have more than 300 seats", "what are the different engine types".
    pub(super) fn read_listing(&mut self, asked: Asked, grouping: &Grouping) -> Option<Shape> {
        let distinct = self.cues_where(|cue| *cue == Cue::Distinct).first().copied();
        let list = self.cues_where(|cue| *cue == Cue::List).first().copied();
        let after = |reader: &Self, cue: Option<usize>| cue.and_then(|cue| reader.next_named(cue + 1));
        let item = after(self, distinct).or(asked.item).or_else(|| after(self, list)).or_else(|| {
            (0..self.items.len()).find(|index| {
                matches!(self.items[*index].kind, ItemKind::Mention(_)) && !self.is_filter_value(*index)
            })
        })?;
        if !matches!(self.items[item].kind, ItemKind::Mention(_)) || !grouping.groups.is_empty() {
            return None;
        }
        if self.is_base(item) {
            let is_bare = self.filters.is_empty() && self.table().rows.is_none_or(|rows| rows > 1000.0);
            if is_bare && list.is_none() && asked.item.is_none() {
                return None;
            }
            self.take(item);
            self.bonus += 0.2;
            let mut columns = self.identifying_columns();
            for column in self.mentioned_columns() {
                if !columns.contains(&column) {
                    columns.push(column);
                }
            }
            let limit = is_bare.then_some(100);
            if is_bare {
                self.assumptions.push("The table is long, so I list its beginning only.".into());
            }
            return Some(Shape::Rows { columns, order: None, limit });
        }
        let groups = self.group_at(item)?;
        self.take(item);
        let is_number = groups.iter().all(|group| matches!(group, Group::Column(column) if column.info(self.catalog).is_measure() && !column.info(self.catalog).is_category()));
        if is_number && self.filters.is_empty() {
            return None;
        }
        let mut groups = groups;
        while let Some(next) = (item + 1..self.items.len()).find(|index| {
            !self.items[*index].is_used
                && matches!(self.candidates(*index).first().map(|best| &best.target), Some(Target::Column(_)))
        }) {
            self.take(next);
            let Target::Column(column) = self.candidates(next)[0].target.clone() else { break };
            groups.push(Group::Column(column));
        }
        Some(Shape::Values(groups))
    }
}
