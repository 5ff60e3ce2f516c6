//! The part of reading that finds by what rows are grouped, and which thing is asked for.

use super::{
    catalog::Grain,
    cues::Cue,
    mention::{self, Candidate, Reach, Target},
    plan::{ColumnRef, Filter, Group, Link},
    reader::{ItemKind, Reader},
    understand::{Asked, DEFAULT_LIMIT, Grouping},
    words,
};

impl Reader<'_> {
    /// "which 5 airlines", "top 10 destinations".
    pub(super) fn read_asked(&mut self) -> Asked {
        let mut asked = Asked::default();
        for index in self.cues_where(|cue| matches!(cue, Cue::Which | Cue::Top(_))) {
            let Some(mut at) = self.next_item(index + 1) else { continue };
            if let Some(Cue::Top(direction)) = self.cue(index) {
                asked.top = Some(*direction);
            }
            if let ItemKind::Number(number) = self.items[at].kind {
                asked.limit = Some(number as u32).filter(|limit| *limit > 0);
                self.take(at);
                let Some(after) = self.next_item(at + 1) else { continue };
                at = after;
            }
            let is_top = matches!(self.cue(index), Some(Cue::Top(_)));
            let is_unit = self.grain_at(at).is_some();
            let named = if is_top && !is_unit { self.next_named(at).unwrap_or(at) } else { at };
            let names_thing = matches!(self.items[named].kind, ItemKind::Mention(_))
                || self.grain_at(named).is_some()
                || matches!(self.cue(named), Some(Cue::Weekday));
            if names_thing && asked.item.is_none() && !self.items[named].is_used {
                asked.item = Some(named);
            }
        }
        // "the 5 longest flights", "the three busiest airports"
        if let Some(superlative) = self.cues_where(|cue| matches!(cue, Cue::Superlative(_))).first().copied()
            && let Some(before) = superlative.checked_sub(1)
            && let ItemKind::Number(number) = self.items[before].kind
        {
            self.take(before);
            asked.limit = Some(number as u32).filter(|limit| *limit > 0);
        }
        asked
    }

    /// "by carrier", "per month", "for each origin and carrier", "monthly".
    pub(super) fn read_groups(&mut self, asked: Asked) -> Grouping {
        let mut grouping = Grouping::default();
        for index in self.cues_where(|cue| matches!(cue, Cue::By | Cue::Each)) {
            let is_each = self.cue(index) == Some(&Cue::Each);
            let mut at = index + 1;
            while let Some(named) = self.next_item(at) {
                if self.items[named].is_used || asked.item == Some(named) {
                    break;
                }
                let is_measure = asked.top.is_some()
                    && !is_each
                    && grouping.groups.is_empty()
                    && self.candidates(named).first().is_some_and(|best| match &best.target {
                        Target::Column(column) => column.info(self.catalog).is_measure(),
                        Target::Base => true,
                        _ => false,
                    });
                if is_measure {
                    break;
                }
                match self.group_at(named) {
                    Some(groups) => {
                        self.take(named);
                        if is_each {
                            grouping.per.extend(groups.clone());
                        }
                        grouping.groups.extend(groups);
                    }
                    None if is_each && self.is_base(named) => self.take(named),
                    None => break,
                }
                at = named + 1;
                let continues = self.items.get(at).is_some_and(|item| {
                    let token = &self.question.tokens[item.start];
                    token.lower == "and" || token.after_break || matches!(item.kind, ItemKind::Mention(_))
                });
                let starts_anew = self.next_item(at).is_some_and(|next| {
                    !matches!(self.items[next].kind, ItemKind::Mention(_) | ItemKind::Word(_))
                });
                if !continues || starts_anew {
                    break;
                }
            }
        }
        for index in 0..self.items.len() {
            let word = self.text(index).to_lowercase();
            let adverbs =
                ["hourly", "daily", "weekly", "monthly", "quarterly", "yearly", "annual", "annually"];
            if adverbs.contains(&word.as_str())
                && let Some(groups) = Grain::from_word(&word).and_then(|grain| self.time_groups(grain))
            {
                self.items[index].kind = ItemKind::Word(false);
                grouping.per.extend(groups.clone());
                grouping.groups.extend(groups);
            }
        }
        if grouping.groups.is_empty()
            && self.has_cue(|cue| *cue == Cue::OverTime)
            && let Some((grain, groups)) = [Grain::Month, Grain::Year]
                .into_iter()
                .find_map(|grain| Some((grain, self.time_groups(grain)?)))
        {
            self.assumptions.push(format!("You named no unit of time, so I took {}s.", grain.word()));
            grouping.groups.extend(groups);
        }
        grouping.groups.dedup();
        grouping
    }

    /// The thing asked for, or the noun before the superlative, becomes the group that is ranked.
    pub(super) fn group_by_asked(
        &mut self,
        asked: Asked,
        superlative: Option<usize>,
        grouping: &mut Grouping,
    ) {
        let before = superlative.filter(|_| asked.item.is_none()).and_then(|superlative| {
            (0..superlative).rev().find(|index| {
                matches!(self.items[*index].kind, ItemKind::Mention(_))
                    && !self.items[*index].is_used
                    && !self.is_base(*index)
                    && !self.item_before(*index).is_some_and(|cue| {
                        matches!(self.cue(cue), Some(Cue::Aggregate(_) | Cue::Count | Cue::Amount))
                    })
            })
        });
        // "carriers with average distance below 500"
        let leading = (superlative.is_none() && asked.item.is_none() && grouping.groups.is_empty())
            .then(|| {
                (0..self.items.len()).find(|index| {
                    !matches!(self.items[*index].kind, ItemKind::Word(_) | ItemKind::Cue(Cue::List))
                })
            })
            .flatten()
            .filter(|index| {
                matches!(self.items[*index].kind, ItemKind::Mention(_))
                    && !self.is_base(*index)
                    && !self.is_filter_value(*index)
            });
        let Some(item) = asked.item.or(before).or(leading) else { return };
        if self.items[item].is_used {
            return;
        }
        if let Some(groups) = self.group_at(item) {
            let is_measure = before.is_some()
                && groups.iter().all(|group| matches!(group, Group::Column(column) if column.info(self.catalog).is_measure() && !column.info(self.catalog).is_category()));
            if is_measure {
                return;
            }
            self.take(item);
            grouping.is_asked = true;
            let others = std::mem::take(&mut grouping.groups);
            grouping.groups = groups;
            for group in others {
                if !grouping.groups.contains(&group) {
                    grouping.groups.push(group);
                }
            }
        }
    }

    /// "made by planes of EMBRAER": a column that must have one value makes no groups.
    pub(super) fn drop_pinned(&self, grouping: &mut Grouping) {
        grouping.groups.retain(|group| {
            !self.filters.iter().any(|filter| match (filter, group) {
                (Filter::Values { column, values, is_negated: false }, Group::Column(grouped)) => {
                    column == grouped && values.len() == 1
                }
                _ => false,
            })
        });
    }

    /// "Compare UA with AA": values of one column that are compared become groups.
    pub(super) fn compare_values(&mut self, grouping: &mut Grouping) {
        if !self.has_cue(|cue| *cue == Cue::Compare)
            && !self.question.tokens.iter().any(|token| token.lower == "respectively")
        {
            return;
        }
        for filter in &self.filters {
            if let Filter::Values { column, values, is_negated: false } = filter
                && values.len() > 1
            {
                let group = Group::Column(column.clone());
                if !grouping.groups.contains(&group) {
                    grouping.groups.push(group);
                }
            }
        }
    }

    pub(super) fn limit(&self, asked: Asked) -> u32 {
        let is_many = asked
            .item
            .is_some_and(|item| words::is_plural(&self.question.tokens[self.items[item].end - 1].lower));
        let unsaid = if is_many { DEFAULT_LIMIT } else { 1 };
        asked.limit.unwrap_or(unsaid)
    }

    /// What a mention groups by: a category, an entity's name, a point in time. `None` where it is the base's own rows.
    pub(super) fn group_at(&mut self, index: usize) -> Option<Vec<Group>> {
        if let Some(grain) = self.grain_at(index) {
            return self.time_groups(grain);
        }
        let weekday = matches!(self.cue(index), Some(Cue::Weekday));
        if weekday {
            let column = self.time_column(Some(index))?;
            return Some(vec![Group::Weekday(column)]);
        }
        for candidate in self.candidates(index).to_vec() {
            match candidate.target {
                Target::Column(column) => {
                    let info = column.info(self.catalog);
                    if !info.is_category() && !info.kind.is_temporal() && candidate.score < 0.9 {
                        continue;
                    }
                    let said = words::singular(&self.text(index).to_lowercase());
                    self.said.push((column.clone(), said));
                    return Some(vec![self.group_of(column)]);
                }
                Target::Entity(path) => {
                    if let Some(group) = self.entity_group(&path) {
                        return Some(vec![group]);
                    }
                }
                Target::Base => {
                    // The column that holds the rows' own name: "by product" of products.
                    let own_name =
                        self.candidates(index).iter().find_map(|candidate| match &candidate.target {
                            Target::Column(column) if column.path.is_empty() => Some(column.clone()),
                            _ => None,
                        });
                    return own_name
                        .filter(|column| mention::is_own_name(self.table(), column.column))
                        .map(|column| vec![Group::Column(column)]);
                }
                Target::Values(..) => {}
            }
        }
        None
    }

    /// Groups by a column's values; by the name of what it refers to, where it is an identifier of something named.
    pub(super) fn group_of(&self, column: ColumnRef) -> Group {
        if column.info(self.catalog).kind.is_temporal() {
            return Group::Time(column, Grain::Day);
        }
        Group::Column(column)
    }

    /// The name of a table's rows as a group.
    pub(super) fn entity_group(&self, path: &[Link]) -> Option<Group> {
        let link = path.last()?;
        let table = &self.catalog.tables[link.to_table];
        let reference = |column| ColumnRef { path: path.to_vec(), table: link.to_table, column };
        if let Some(display) = table.display() {
            return Some(Group::Column(reference(display)));
        }
        if let Some((first, last)) = table.first_name_pair() {
            return Some(Group::FullName(reference(first), reference(last)));
        }
        let column = *link.from_columns.first().filter(|_| link.from_columns.len() == 1)?;
        Some(Group::Column(ColumnRef {
            path: path[..path.len() - 1].to_vec(),
            table: link.from_table,
            column,
        }))
    }

    /// The grain that an item names: "day", "months".
    pub(super) fn grain_at(&self, index: usize) -> Option<Grain> {
        let item = self.items.get(index)?;
        if item.end != item.start + 1 || matches!(item.kind, ItemKind::Cue(_) | ItemKind::Time(_)) {
            return None;
        }
        let word = &self.question.tokens[item.start].lower;
        let grain = Grain::from_word(word)?;
        let is_named_so = |candidate: &Candidate| match &candidate.target {
            Target::Column(column) => {
                candidate.score >= 0.9
                    && !column.info(self.catalog).kind.is_temporal()
                    && column.info(self.catalog).parts != [grain.word()]
            }
            _ => false,
        };
        // "date" alone is a column rather than a grain where there is one.
        (!self.candidates(index).first().is_some_and(is_named_so)).then_some(grain)
    }

    /// The point in time that the question is about: the one that its words name, else the likeliest.
    pub(super) fn time_column(&mut self, near: Option<usize>) -> Option<ColumnRef> {
        let columns = self.table().time_columns();
        if let Some(index) = near
            && let Some(column) =
                self.column_at(index, |column| column.path.is_empty() && columns.contains(&column.column))
        {
            return Some(column);
        }
        let mut best: Option<(f64, usize)> = None;
        for (order, column) in columns.iter().enumerate() {
            let score = self.best_score_of(*column) - 0.001 * order as f64;
            if best.is_none_or(|(known, _)| score > known) {
                best = Some((score, *column));
            }
        }
        if let Some((_, column)) = best {
            return Some(self.own(column));
        }
        let column = self.linked_time_column()?;
        // A table that has it itself is the likelier base.
        self.bonus -= 0.05;
        Some(column)
    }

    /// Rows without a point in time of their own happened when what they belong to did: order lines with their order. The
    /// likeliest such column of the nearest tables that the base's rows lead to.
    fn linked_time_column(&self) -> Option<ColumnRef> {
        let mut best: Option<(i32, ColumnRef)> = None;
        for Reach { path, table } in mention::reach(self.base, self.links).into_iter().skip(1) {
            let info = &self.catalog.tables[table];
            for column in info.time_columns() {
                // A birthday is no date of what is counted.
                let rank = info.time_rank(&info.columns[column]) - 2 * path.len() as i32;
                if rank >= 0 && best.as_ref().is_none_or(|(known, _)| rank > *known) {
                    best = Some((rank, ColumnRef { path: path.clone(), table, column }));
                }
            }
        }
        best.map(|(_, column)| column)
    }

    /// How well any words of the question fit a column of the base.
    pub(super) fn best_score_of(&self, column: usize) -> f64 {
        let length = self.question.tokens.len();
        (0..length)
            .flat_map(|start| (start + 1..=length.min(start + 3)).map(move |end| (start, end)))
            .filter_map(|(start, end)| self.scores.get(start, end, self.base, Some(column)))
            .fold(0.0, f64::max)
    }

    /// Groups by a grain: the columns that hold it as numbers, else a point in time made coarser.
    pub(super) fn time_groups(&mut self, grain: Grain) -> Option<Vec<Group>> {
        if let Some(column) = self.table().part_column(grain) {
            let mut groups = Vec::new();
            let coarser = match grain {
                Grain::Day => vec![Grain::Year, Grain::Month],
                Grain::Month | Grain::Quarter | Grain::Week => vec![Grain::Year],
                Grain::Hour | Grain::Year => vec![],
            };
            for outer in coarser {
                if let Some(outer_column) = self.table().part_column(outer)
                    && !self.is_pinned(outer_column)
                {
                    groups.push(Group::Column(self.own(outer_column)));
                }
            }
            groups.push(Group::Column(self.own(column)));
            return Some(groups);
        }
        if grain == Grain::Quarter
            && let Some(month) = self.table().part_column(Grain::Month)
        {
            let mut groups = Vec::new();
            if let Some(year) = self.table().part_column(Grain::Year).filter(|year| !self.is_pinned(*year)) {
                groups.push(Group::Column(self.own(year)));
            }
            groups.push(Group::QuarterOfMonth(self.own(month)));
            return Some(groups);
        }
        let column = self.time_column(None)?;
        Some(vec![grain_of(column, grain)])
    }

    /// Whether filters or the data leave a column one value only.
    pub(super) fn is_pinned(&self, column: usize) -> bool {
        let info = &self.table().columns[column];
        info.distinct == Some(1.0)
            || info.samples.len() == 1
            || self.filters.iter().any(|filter| {
                matches!(filter, Filter::Parts(of, values) if of.path.is_empty() && of.column == column && values.len() == 1)
            })
    }
}

/// A point in time made coarser. A year is a number, and so is an hour, which is that of any day.
pub(super) fn grain_of(column: ColumnRef, grain: Grain) -> Group {
    match grain {
        Grain::Hour | Grain::Year => Group::Part(column, grain),
        Grain::Day | Grain::Week | Grain::Month | Grain::Quarter => Group::Time(column, grain),
    }
}
