//! The part of reading that finds what is measured.

use super::{
    catalog::{Catalog, Grain},
    cues::Cue,
    lexicon::{self, Direction},
    mention::Target,
    plan::{Aggregate, ColumnRef, Group, Measure},
    reader::{Item, ItemKind, Reader},
    understand::{Asked, Grouping},
};

impl Reader<'_> {
    /// The measures of a question and, for a ranking, from which end.
    pub(super) fn read_measures(
        &mut self,
        asked: Asked,
        superlative: Option<usize>,
        grouping: &mut Grouping,
    ) -> (Vec<Measure>, Option<Direction>) {
        if let Some(measure) = self.read_when() {
            return (vec![measure], None);
        }
        if let Some(index) = superlative
            && let Some(Cue::Superlative(degree)) = self.cue(index).cloned()
            && let Some(measure) = self.superlative_measure(index, degree, asked, grouping)
        {
            // "the longest delay on average"
            let says_average = self
                .cues_where(|cue| *cue == Cue::Aggregate(Aggregate::Average))
                .into_iter()
                .any(|at| self.text(at).to_lowercase().starts_with("on "));
            let measure = match measure {
                Measure::Of(_, column) if says_average => Measure::Of(Aggregate::Average, column),
                other => other,
            };
            // "highest and lowest altitude"
            let opposite = match &measure {
                Measure::Of(aggregate @ (Aggregate::Max | Aggregate::Min), column)
                    if asked.item.is_none() =>
                {
                    let other = if *aggregate == Aggregate::Max { Direction::Least } else { Direction::Most };
                    let is_said = self
                        .has_cue(|cue| matches!(cue, Cue::Superlative(degree) if degree.direction == other));
                    let aggregate =
                        if *aggregate == Aggregate::Max { Aggregate::Min } else { Aggregate::Max };
                    is_said.then(|| Measure::Of(aggregate, column.clone()))
                }
                _ => None,
            };
            return (std::iter::once(measure).chain(opposite).collect(), Some(degree.direction));
        }
        let mut measures: Vec<Measure> = Vec::new();
        let cues = self.cues_where(|cue| matches!(cue, Cue::Count | Cue::Aggregate(_) | Cue::Amount));
        for index in cues {
            // "average number of seats": the second cue belongs to the first.
            let follows_aggregate = self.cue(index) == Some(&Cue::Count)
                && self
                    .item_before(index)
                    .is_some_and(|before| matches!(self.cue(before), Some(Cue::Aggregate(_))));
            if follows_aggregate {
                continue;
            }
            let Some(measure) = self.measure_from(index, grouping) else { continue };
            let more = self.more_operands(index, &measure);
            for measure in std::iter::once(measure).chain(more) {
                if !measures.contains(&measure) {
                    measures.push(measure);
                }
            }
        }
        if !measures.is_empty() {
            measures.extend(self.further_amounts());
        }
        let direction = superlative.and_then(|index| match self.cue(index) {
            Some(Cue::Superlative(degree)) => Some(degree.direction),
            _ => None,
        });
        let direction = asked.top.or(direction);
        if measures.is_empty()
            && direction.is_some()
            && let Some(measure) = self.sold_measure()
        {
            measures.push(measure);
        }
        if measures.is_empty() {
            let is_distinct = self.has_cue(|cue| *cue == Cue::Distinct);
            let is_list = self.has_cue(|cue| *cue == Cue::List);
            // An adjective that speaks of a certain quantity is not answered by another.
            let is_lost = self.has_cue(|cue| matches!(cue, Cue::Aggregate(_)))
                || superlative.is_some_and(|index| {
                    matches!(self.cue(index), Some(Cue::Superlative(degree)) if !degree.attributes.is_empty())
                });
            if is_lost {
                return (measures, direction);
            }
            let asks_for_measure = !grouping.groups.is_empty()
                || asked.item.is_none()
                || direction.is_some()
                || self
                    .has_cue(|cue| matches!(cue, Cue::Share(_) | Cue::Compare | Cue::Growth | Cue::Anomaly));
            if asks_for_measure && !is_list && !(is_distinct && grouping.groups.is_empty()) {
                measures.extend(self.bare_measure(asked, !grouping.groups.is_empty()));
            }
        }
        (measures, direction)
    }

    /// "number of orders and revenue": amounts that no cue announces, beside a measure that one does.
    fn further_amounts(&mut self) -> Vec<Measure> {
        let catalog = self.catalog;
        let mut more = Vec::new();
        for index in 0..self.items.len() {
            let is_open =
                !self.items[index].is_used && matches!(self.items[index].kind, ItemKind::Mention(_));
            let around = [self.items[index].start.checked_sub(1), Some(self.items[index].end)];
            let is_joined = around
                .into_iter()
                .flatten()
                .any(|at| self.question.tokens.get(at).is_some_and(|token| token.lower == "and"));
            if !is_open || !is_joined || self.may_be_base(index) {
                continue;
            }
            if let Some(column) = self.column_at(index, |column| column.info(catalog).is_additive()) {
                self.take(index);
                more.push(Measure::Of(Aggregate::Sum, column));
            }
        }
        more
    }

    /// "When was the first order?"
    pub(super) fn read_when(&mut self) -> Option<Measure> {
        let asks_when = self.question.tokens.first().is_some_and(|token| token.lower == "when");
        if !asks_when {
            return None;
        }
        let says =
            |words: &[&str]| self.question.tokens.iter().any(|token| words.contains(&token.lower.as_str()));
        let aggregate = if says(&["first", "earliest", "oldest"]) {
            Aggregate::Min
        } else if says(&["last", "latest", "newest", "recent"]) {
            Aggregate::Max
        } else {
            return None;
        };
        let column = self.time_column(None)?;
        Some(Measure::Of(aggregate, column))
    }

    /// The measure that a cue begins: "how many flights", "average delay", "how much revenue".
    pub(super) fn measure_from(&mut self, index: usize, grouping: &mut Grouping) -> Option<Measure> {
        let mut is_distinct = false;
        let mut at = index + 1;
        let mut says_number = false;
        let operand = loop {
            let next = self.next_item(at)?;
            match &self.items[next].kind {
                ItemKind::Cue(Cue::Distinct) => is_distinct = true,
                ItemKind::Cue(Cue::Count) => says_number = true,
                ItemKind::Cue(Cue::Aggregate(_)) | ItemKind::Word(_) | ItemKind::Number(_) => {}
                ItemKind::Mention(_) if self.items[next].is_used => {
                    // Only what a filter took is passed over; another measure's operand serves again.
                    if !self.is_filter_value(next) && self.operand_again(next) {
                        break Some(next);
                    }
                }
                ItemKind::Mention(_) => break Some(next),
                ItemKind::Cue(_) | ItemKind::Time(_) => break None,
            }
            at = next + 1;
            if at >= self.items.len() {
                break None;
            }
        };
        match self.cue(index)?.clone() {
            Cue::Aggregate(aggregate) => {
                let operand = operand.or_else(|| self.operand_before(index))?;
                self.aggregate_at(aggregate, operand, says_number, grouping)
            }
            Cue::Amount => {
                let operand = operand.or_else(|| self.any_quantity())?;
                self.aggregate_at(Aggregate::Sum, operand, false, grouping)
            }
            _ => match operand {
                Some(operand) => {
                    self.count_at(operand, is_distinct || self.has_cue(|cue| *cue == Cue::Distinct))
                }
                None => self.count_unnamed(),
            },
        }
    }

    /// "average humidity and pressure": further columns that the same cue is said of.
    pub(super) fn more_operands(&mut self, index: usize, first: &Measure) -> Vec<Measure> {
        let Measure::Of(aggregate, _) = first else { return Vec::new() };
        let catalog = self.catalog;
        let mut more = Vec::new();
        let Some(mut at) = (index + 1..self.items.len())
            .find(|at| self.items[*at].is_used && matches!(self.items[*at].kind, ItemKind::Mention(_)))
        else {
            return more;
        };
        while let Some(next) = self.items.get(at + 1) {
            let lower = self.question.tokens[next.start].lower.clone();
            let follows = if matches!(lower.as_str(), "and" | "or") {
                at + 2
            } else if self.question.tokens[next.start].after_break {
                at + 1
            } else {
                break;
            };
            if self.items.get(follows).is_none_or(|item| item.is_used) {
                break;
            }
            let Some(column) = self.column_at(follows, |column| column.info(catalog).is_measure()) else {
                break;
            };
            self.take(follows);
            more.push(Measure::Of(*aggregate, column));
            at = follows;
        }
        more
    }

    /// "delay on average": what is averaged came before.
    pub(super) fn operand_before(&self, index: usize) -> Option<usize> {
        let catalog = self.catalog;
        (0..index).rev().find(|at| {
            !self.items[*at].is_used
                && self.candidates(*at).iter().any(|found| matches!(&found.target, Target::Column(column) if column_is_quantity(catalog, column)))
        })
    }

    pub(super) fn is_filter_value(&self, index: usize) -> bool {
        self.candidates(index).first().is_some_and(|best| matches!(best.target, Target::Values(..)))
    }

    pub(super) fn operand_again(&self, index: usize) -> bool {
        let catalog = self.catalog;
        self.candidates(index).iter().any(
            |found| matches!(&found.target, Target::Column(column) if column_is_quantity(catalog, column)),
        )
    }

    /// An unused mention of a quantity anywhere.
    pub(super) fn any_quantity(&self) -> Option<usize> {
        (0..self.items.len()).find(|index| {
            !self.items[*index].is_used
                && self.candidates(*index).iter().any(|found| matches!(&found.target, Target::Column(column) if column.info(self.catalog).is_measure()))
        })
    }

    /// "How many" of something that no table is named after: rows, if the question is about this table otherwise.
    pub(super) fn count_unnamed(&mut self) -> Option<Measure> {
        let is_about_base = !self.filters.is_empty()
            || self.items.iter().any(|item| item.is_used)
            || self.catalog.tables.len() == 1;
        if !is_about_base {
            return None;
        }
        self.assumptions.push(format!("I counted rows of `{}`.", self.table().name));
        self.bonus -= 0.3;
        Some(Measure::Rows)
    }

    pub(super) fn aggregate_at(
        &mut self,
        aggregate: Aggregate,
        operand: usize,
        says_number: bool,
        grouping: &mut Grouping,
    ) -> Option<Measure> {
        let catalog = self.catalog;
        for candidate in self.candidates(operand).to_vec() {
            match candidate.target {
                Target::Column(column) => {
                    let is_point = column.info(self.catalog).kind.is_temporal()
                        && matches!(aggregate, Aggregate::Min | Aggregate::Max);
                    if column.info(self.catalog).is_measure() || is_point {
                        let column = self.column_at(operand, |other| {
                            other.info(catalog).is_measure() || (is_point && *other == column)
                        })?;
                        self.take(operand);
                        let is_per_time = aggregate == Aggregate::Average
                            && column.info(self.catalog).is_additive()
                            && !grouping.per.is_empty()
                            && grouping.per.iter().all(|group| matches!(group, Group::Time(..)));
                        if is_per_time {
                            let per = std::mem::take(&mut grouping.per);
                            grouping.groups.retain(|group| !per.contains(group));
                            return Some(Measure::AverageSumPer(column, per));
                        }
                        return Some(Measure::Of(aggregate, column));
                    }
                    if aggregate == Aggregate::Sum && !says_number {
                        self.take(operand);
                        return Some(Measure::Distinct(column));
                    }
                }
                Target::Base | Target::Entity(_) if aggregate == Aggregate::Average => {
                    let per = std::mem::take(&mut grouping.per);
                    if per.is_empty() {
                        return None;
                    }
                    grouping.groups.retain(|group| !per.contains(group));
                    self.take(operand);
                    return Some(Measure::AverageRowsPer(per.into_iter().map(by_reference).collect()));
                }
                Target::Base | Target::Entity(_) if aggregate == Aggregate::Sum => {
                    return self.count_at(operand, false);
                }
                _ => {}
            }
        }
        None
    }

    /// The count that a mention asks for.
    pub(super) fn count_at(&mut self, operand: usize, is_distinct: bool) -> Option<Measure> {
        let candidate = self.candidates(operand).first()?.clone();
        let measure = match candidate.target {
            Target::Base if is_distinct => {
                self.table().key().map_or(Measure::Rows, |key| Measure::Distinct(self.own(key)))
            }
            Target::Base | Target::Values(..) => Measure::Rows,
            Target::Entity(path) => {
                let link = path.last()?;
                let column = *link.from_columns.first().filter(|_| link.from_columns.len() == 1)?;
                Measure::Distinct(ColumnRef {
                    path: path[..path.len() - 1].to_vec(),
                    table: link.from_table,
                    column,
                })
            }
            Target::Column(column) => {
                let info = column.info(self.catalog);
                let is_part = info.parts.len() == 1 && Grain::from_word(&info.parts[0]).is_some();
                if info.is_measure() && !is_distinct && !is_part {
                    Measure::Of(Aggregate::Sum, column)
                } else {
                    Measure::Distinct(column)
                }
            }
        };
        // Rows of the table that is counted are counted there, rather than from one that refers to it.
        match measure {
            Measure::Rows => self.bonus += 0.2,
            _ if !is_distinct => self.bonus -= 0.1,
            _ => {}
        }
        self.take(operand);
        Some(measure)
    }

    /// A measure that no cue announces: "revenue by product", "sign-ups per day".
    pub(super) fn bare_measure(&mut self, asked: Asked, is_grouped: bool) -> Option<Measure> {
        let catalog = self.catalog;
        let open: Vec<usize> = (0..self.items.len())
            .filter(|index| {
                !self.items[*index].is_used
                    && asked.item != Some(*index)
                    && matches!(self.items[*index].kind, ItemKind::Mention(_))
            })
            .collect();
        for index in open {
            if self.may_be_base(index) {
                self.take(index);
                self.bonus += 0.2;
                return Some(Measure::Rows);
            }
            let quantity = self.column_at(index, |column| column.info(catalog).is_measure());
            if let Some(column) = quantity {
                self.take(index);
                let aggregate =
                    if column.info(self.catalog).is_additive() { Aggregate::Sum } else { Aggregate::Average };
                if aggregate == Aggregate::Average {
                    let name = &column.info(self.catalog).name;
                    self.assumptions
                        .push(format!("You did not say how to combine `{name}`, so I took its average."));
                }
                return Some(Measure::Of(aggregate, column));
            }
            if !is_grouped
                && let Some(column) = self
                    .column_at(index, |_| true)
                    .filter(|_| self.has_cue(|cue| matches!(cue, Cue::Share(_))))
            {
                self.take(index);
                return Some(Measure::Distinct(column));
            }
        }
        let is_unread = |item: &Item| match &item.kind {
            ItemKind::Mention(_) => !item.is_used,
            ItemKind::Word(true) => {
                !item.is_used && !lexicon::is_neutral(&self.question.tokens[item.start].lower)
            }
            _ => false,
        };
        // A word that nothing explains may be the very measure.
        if self.items.iter().enumerate().any(|(index, item)| asked.item != Some(index) && is_unread(item)) {
            return None;
        }
        if self.has_cue(|cue| matches!(cue, Cue::Bound(_))) {
            return None;
        }
        is_grouped.then(|| {
            self.bonus -= 0.6;
            self.assumptions
                .push(format!("You named nothing to measure, so I counted rows of `{}`.", self.table().name));
            Measure::Rows
        })
    }
}

/// A group by the name of what is referred to, as one by the reference: two things of one name stay two.
pub(super) fn by_reference(group: Group) -> Group {
    match group {
        Group::Column(column) | Group::FullName(column, _) if !column.path.is_empty() => {
            let mut path = column.path.clone();
            match path.pop() {
                Some(link) if link.from_columns.len() == 1 => {
                    Group::Column(ColumnRef { path, table: link.from_table, column: link.from_columns[0] })
                }
                _ => Group::Column(column),
            }
        }
        other => other,
    }
}

pub(super) fn column_is_quantity(catalog: &Catalog, column: &ColumnRef) -> bool {
    let info = column.info(catalog);
    info.is_measure() || info.kind.is_temporal()
}
