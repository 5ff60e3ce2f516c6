//! The part of reading that finds which rows count: values, bounds, missing values, time.

use domain::table::ColumnType;

use super::{
    catalog::Catalog,
    cues::{Bound, Cue},
    lexicon,
    mention::{Candidate, Target},
    plan::{Aggregate, ColumnRef, Filter, Link, Relation},
    reader::{ItemKind, Reader},
};

/// A bound whose quantity is an aggregate or a count of groups.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GroupBound {
    /// The limits.
    pub limits: Vec<(Relation, f64)>,
    /// What is bounded: a mention of rows to count, or none for the question's measure.
    pub counted: Option<usize>,
    /// What is bounded instead where the bound itself names an amount that is to be summed up.
    pub summed: Option<ColumnRef>,
}

impl Reader<'_> {
    /// Values that the question spells become filters; several of one column are alternatives.
    pub(super) fn read_values(&mut self) {
        for index in 0..self.items.len() {
            let Some(best) = self.value_at(index) else { continue };
            let Target::Values(column, values) = best.target else { continue };
            self.note_rival_columns(index, &column, best.score);
            let is_negated = self.is_negated(index);
            self.take(index);
            self.absorb_neighbour(index, &column);
            if values.len() > 1 {
                let said = self.text(index);
                self.assumptions.push(format!(
                    "“{said}” stands in several values of `{}`; I took all of them.",
                    column.info(self.catalog).name
                ));
            }
            let same = self.filters.iter_mut().find_map(|filter| match filter {
                Filter::Values { column: known, values, is_negated: negated }
                    if *known == column && *negated == is_negated =>
                {
                    Some(values)
                }
                _ => None,
            });
            match same {
                Some(known) => known
                    .extend(values.into_iter().filter(|value| !known.contains(value)).collect::<Vec<_>>()),
                None => self.filters.push(Filter::Values { column, values, is_negated }),
            }
        }
    }

    /// How a mention is read as a value, if it is one: of alternatives ("Italy or Monaco") each in the column that has both.
    fn value_at(&self, index: usize) -> Option<Candidate> {
        let best = self.candidates(index).first().filter(|_| self.is_filter_value(index))?;
        let others = [self.alternative_after(index), self.alternative_before(index)];
        let shared = |candidate: &&Candidate| {
            let Target::Values(column, _) = &candidate.target else { return false };
            others.iter().flatten().all(|other| {
                let has_it =
                    |rival: &Candidate| matches!(&rival.target, Target::Values(known, _) if known == column);
                self.candidates(*other).iter().any(has_it)
            })
        };
        Some(self.candidates(index).iter().find(shared).unwrap_or(best).clone())
    }

    /// The value that an item is joined to by "or", "and" or a comma.
    fn alternative_after(&self, index: usize) -> Option<usize> {
        let token = |at: usize| self.items.get(at).map(|item| &self.question.tokens[item.start]);
        let next = token(index + 1)?;
        let after = if matches!(next.lower.as_str(), "or" | "and") {
            index + 2
        } else if next.after_break {
            index + 1
        } else {
            return None;
        };
        (after < self.items.len() && self.is_filter_value(after)).then_some(after)
    }

    fn alternative_before(&self, index: usize) -> Option<usize> {
        let is_joined = |before: &usize| self.alternative_after(*before) == Some(index);
        [1, 2].into_iter().filter_map(|back| index.checked_sub(back)).find(is_joined)
    }

    /// Whether "not" or "except" stands before an item, with nothing but small words and verbs between.
    fn is_negated(&self, index: usize) -> bool {
        (0..index)
            .rev()
            .find(|at| match &self.items[*at].kind {
                ItemKind::Word(_) => false,
                ItemKind::Cue(cue) => *cue != Cue::By,
                _ => true,
            })
            .is_some_and(|at| self.cue(at) == Some(&Cue::Not))
    }

    fn note_rival_columns(&mut self, index: usize, column: &ColumnRef, score: f64) {
        let rivals: Vec<String> = self.candidates(index)[1..]
            .iter()
            .filter_map(|candidate| match &candidate.target {
                Target::Values(rival, _)
                    if candidate.score > score - 0.04 && rival.path.len() == column.path.len() =>
                {
                    Some(format!("`{}`", rival.info(self.catalog).name))
                }
                _ => None,
            })
            .collect();
        if !rivals.is_empty() {
            let said = self.text(index);
            let chosen = &column.info(self.catalog).name;
            self.assumptions.push(format!(
                "I looked for “{said}” in `{chosen}`; it also stands in {}.",
                rivals.join(" and ")
            ));
        }
    }

    /// "carrier UA", "UA carrier": the column's own name beside its value says no more than the value. A name beside it
    /// that a group needs is left alone.
    fn absorb_neighbour(&mut self, index: usize, column: &ColumnRef) {
        let neighbours = [index.checked_sub(1), Some(index + 1)];
        for neighbour in neighbours.into_iter().flatten() {
            let is_its_name =
                self.candidates(neighbour).first().is_some_and(|candidate| match &candidate.target {
                    Target::Column(named) => named == column,
                    Target::Entity(path) => *path == column.path,
                    Target::Base | Target::Values(..) => false,
                });
            let is_grouped = neighbour
                .checked_sub(1)
                .is_some_and(|before| matches!(self.cue(before), Some(Cue::Each | Cue::By | Cue::Which)));
            if is_its_name && !is_grouped {
                self.take(neighbour);
            }
        }
    }

    /// "no departure time", "without orders".
    pub(super) fn read_missing(&mut self) {
        for index in self.cues_where(|cue| *cue == Cue::Missing) {
            // "without status paid" excludes a value.
            let value = (index + 1..self.items.len()).find(|at| {
                !matches!(self.items[*at].kind, ItemKind::Word(false))
                    && !matches!(
                        self.candidates(*at).first().map(|best| &best.target),
                        Some(Target::Column(_))
                    )
            });
            if let Some(Target::Values(column, _)) =
                value.and_then(|at| self.candidates(at).first()).map(|best| best.target.clone())
            {
                for at in index + 1..value.unwrap_or(index) {
                    if matches!(self.candidates(at).first().map(|best| &best.target), Some(Target::Column(named)) if *named == column)
                    {
                        self.items[at].kind = ItemKind::Word(false);
                    }
                }
                self.items[index].kind = ItemKind::Cue(Cue::Not);
                continue;
            }
            // "is missing", "are unknown" speak of what comes before.
            let said = self.text(index).to_lowercase();
            let looks_back = matches!(said.as_str(), "missing" | "null" | "unknown" | "blank");
            let after = self.next_item(index + 1).filter(|after| !self.items[*after].is_used);
            let before = self.item_before(index).filter(|_| looks_back);
            let mut found = None;
            for at in [after, before].into_iter().flatten() {
                if let Some(column) = self.column_at(at, |_| true) {
                    found = Some((at, Filter::Missing(column, true)));
                    break;
                }
                if let Some(link) = self.inbound_at(at) {
                    found = Some((at, Filter::Related(link, false)));
                    break;
                }
            }
            if found.is_none()
                && said != "missing"
                && let Some((at, link)) =
                    (index + 1..self.items.len()).find_map(|at| self.inbound_at(at).map(|link| (at, link)))
            {
                found = Some((at, Filter::Related(link, false)));
            }
            if let Some((at, filter)) = found {
                self.items[at].kind = ItemKind::Word(false);
                self.bonus += 0.9;
                self.filters.push(filter);
            }
        }
    }

    /// A table that refers to the base, named at an item.
    fn inbound_at(&self, index: usize) -> Option<Link> {
        let item = self.items.get(index)?;
        self.links
            .iter()
            .filter(|link| link.to_table == self.base)
            .find(|link| {
                self.scores.get(item.start, item.end, link.from_table, None).is_some_and(|score| score >= 0.8)
            })
            .cloned()
    }

    /// Bounds: on a column (a filter), or on what the groups come to (returned).
    pub(super) fn read_bounds(&mut self) -> Vec<GroupBound> {
        let catalog = self.catalog;
        let mut of_groups = Vec::new();
        for index in self.cues_where(|cue| matches!(cue, Cue::Bound(_))) {
            let Some(Cue::Bound(bound)) = self.cue(index).cloned() else { continue };
            let before = self.item_before(index).and_then(|at| {
                // "delayed by more than", "is above"
                if self.cue(at) == Some(&Cue::By) { self.item_before(at) } else { Some(at) }
            });
            // "albums have more than 25 tracks": what is bounded comes after the verb.
            let has_verb = before.is_some_and(|at| {
                let between = &self.question.tokens[self.items[at].end..self.items[index].start];
                between
                    .iter()
                    .any(|token| matches!(token.lower.as_str(), "have" | "has" | "had" | "having" | "with"))
            });
            let is_entity = before.is_some_and(|at| {
                at.checked_sub(1).is_some_and(|cue| matches!(self.cue(cue), Some(Cue::Which)))
            });
            let before = before.filter(|_| !has_verb && !is_entity && bound.degree.is_none());
            if let Some(at) = before.filter(|at| !self.items[*at].is_used) {
                let is_aggregate = self
                    .item_before(at)
                    .is_some_and(|cue| matches!(self.cue(cue), Some(Cue::Aggregate(_) | Cue::Count)));
                if is_aggregate {
                    of_groups.push(GroupBound { limits: bound.limits, counted: None, summed: None });
                    continue;
                }
                if let Some(column) = self.column_at(at, |column| column_is_number(catalog, column)) {
                    self.take(at);
                    self.push_bound(&column, &bound);
                    continue;
                }
            }
            if let Some(degree) = bound.degree
                && let Some((column, is_reversed)) = self.attribute_column(degree.attributes, degree.reversed)
            {
                let flipped = Bound {
                    limits: bound
                        .limits
                        .iter()
                        .map(|(relation, value)| (flip(*relation, is_reversed), *value))
                        .collect(),
                    ..bound
                };
                self.bonus += 0.7;
                self.push_bound(&column, &flipped);
                continue;
            }
            let after = self.next_item(index + 1).filter(|after| !self.items[*after].is_used);
            if let Some(at) = after {
                if let Some(column) = self
                    .column_at(at, |column| column_is_number(catalog, column))
                    .filter(|_| !self.may_be_base(at))
                {
                    self.take(at);
                    self.push_bound(&column, &bound);
                    continue;
                }
                if self.may_be_base(at)
                    || self.candidates(at).iter().any(|found| matches!(found.target, Target::Entity(_)))
                {
                    self.take(at);
                    of_groups.push(GroupBound { limits: bound.limits, counted: Some(at), summed: None });
                    continue;
                }
            }
            if let Some(unit) = bound.unit
                && let Some(column) = self.named_by_token(unit)
            {
                self.bonus += 0.8;
                if self.says_in_total(index) && column.info(self.catalog).is_additive() {
                    of_groups.push(GroupBound { limits: bound.limits, counted: None, summed: Some(column) });
                    continue;
                }
                self.push_bound(&column, &bound);
                continue;
            }
            if let Some(unit) = bound.unit
                && let Some((column, _)) =
                    self.attribute_column(lexicon::unit_attributes(&self.question.tokens[unit].lower), &[])
            {
                self.bonus += 0.6;
                self.push_bound(&column, &bound);
                continue;
            }
            let is_height =
                matches!(self.question.tokens[self.items[index].start].lower.as_str(), "above" | "below");
            let has_measure = self.has_cue(|cue| matches!(cue, Cue::Aggregate(_) | Cue::Superlative(_)));
            if is_height
                && !has_measure
                && let Some((column, _)) = self.attribute_column(&["altitude", "elevation", "height"], &[])
            {
                self.push_bound(&column, &bound);
                continue;
            }
            of_groups.push(GroupBound { limits: bound.limits, counted: None, summed: None });
        }
        of_groups
    }

    /// "more than 100 points in total": the bound before it is on a sum.
    fn says_in_total(&self, bound: usize) -> bool {
        let is_total = |at: usize| self.cue(at) == Some(&Cue::Aggregate(Aggregate::Sum));
        (bound + 1..self.items.len())
            .find(|at| is_total(*at))
            .is_some_and(|at| self.next_named(at + 1).is_none())
    }

    fn push_bound(&mut self, column: &ColumnRef, bound: &Bound) {
        if let Some(unit) = bound.unit {
            let unit = &self.question.tokens[unit].lower;
            let info = column.info(self.catalog);
            let is_said = info.parts.iter().any(|part| unit.starts_with(part.as_str()));
            if !is_said {
                self.assumptions.push(format!("I took `{}` to be in {unit}.", info.name));
            }
        }
        for (relation, value) in &bound.limits {
            self.filters.push(Filter::Number(column.clone(), *relation, *value));
        }
    }

    /// A number column of the base that one token names.
    fn named_by_token(&self, token: usize) -> Option<ColumnRef> {
        let columns = 0..self.table().columns.len();
        columns
            .filter(|column| self.table().columns[*column].kind.is_numeric())
            .filter_map(|column| Some((self.scores.get(token, token + 1, self.base, Some(column))?, column)))
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .map(|(_, column)| self.own(column))
    }

    /// The column of the base that an adjective of degree speaks of, and whether its order is turned round.
    pub(super) fn attribute_column(
        &mut self,
        attributes: &[&str],
        reversed: &[&str],
    ) -> Option<(ColumnRef, bool)> {
        let find = |nouns: &[&str]| {
            for noun in nouns {
                let fits = |column: usize| {
                    let info = &self.table().columns[column];
                    let is_quantity = info.is_measure() || info.kind.is_temporal();
                    let score = super::words::phrase_score(&[noun], &info.parts);
                    (is_quantity && score >= 0.55).then_some((score, column))
                };
                let best = (0..self.table().columns.len())
                    .filter_map(fits)
                    .max_by(|left, right| left.0.total_cmp(&right.0));
                if let Some((_, column)) = best {
                    return Some((self.own(column), (*noun).to_owned()));
                }
            }
            None
        };
        let (found, is_reversed) = match find(attributes) {
            Some(found) => (found, false),
            None => (find(reversed)?, true),
        };
        self.said.push(found.clone());
        Some((found.0, is_reversed))
    }

    /// "month 7", "hour 5", "in 2007" beside a column of whole numbers.
    pub(super) fn read_numbers(&mut self) {
        for index in 1..self.items.len() {
            let ItemKind::Number(number) = self.items[index].kind else { continue };
            if self.items[index].is_used || number.fract() != 0.0 {
                continue;
            }
            let is_quantity = |at: usize| {
                self.items.get(at).is_some_and(|item| !item.is_used)
                    && matches!(self.candidates(at).first().map(|best| &best.target), Some(Target::Column(column))
                        if column.info(self.catalog).kind == ColumnType::Integer && column.info(self.catalog).is_measure())
            };
            let is_verb = matches!(
                self.question.tokens[self.items[index - 1].start].lower.as_str(),
                "have" | "has" | "had" | "with"
            );
            if is_verb && is_quantity(index + 1) {
                // "planes with 2 engines"
                let catalog = self.catalog;
                if let Some(column) = self.column_at(index + 1, |column| column.info(catalog).is_measure()) {
                    self.take(index);
                    self.take(index + 1);
                    self.filters.push(Filter::Parts(column, vec![number as i64]));
                }
                continue;
            }
            if self.items[index - 1].is_used {
                continue;
            }
            let whole = |column: &ColumnRef| column.info(self.catalog).kind == ColumnType::Integer;
            let found = match self.candidates(index - 1).first().map(|best| best.target.clone()) {
                Some(Target::Column(column)) if whole(&column) => Some(column),
                _ => None,
            };
            if let Some(column) = found {
                self.take(index - 1);
                self.take(index);
                self.filters.push(Filter::Parts(column, vec![number as i64]));
            }
        }
    }

    /// Columns of truth values named as adjectives: "active customers".
    pub(super) fn read_truths(&mut self) {
        for index in 0..self.items.len() {
            if self.items[index].is_used {
                continue;
            }
            let is_grouped = self
                .item_before(index)
                .is_some_and(|before| matches!(self.cue(before), Some(Cue::By | Cue::Each)));
            let truth = match self.candidates(index).first().map(|best| best.target.clone()) {
                Some(Target::Column(column)) if column.info(self.catalog).kind == ColumnType::Boolean => {
                    column
                }
                _ => continue,
            };
            if is_grouped {
                continue;
            }
            let is_negated =
                self.item_before(index).is_some_and(|before| matches!(self.cue(before), Some(Cue::Not)));
            self.take(index);
            self.filters.push(Filter::Truth(truth, !is_negated));
        }
    }
}

fn column_is_number(catalog: &Catalog, column: &ColumnRef) -> bool {
    let info = column.info(catalog);
    info.kind.is_numeric() && !info.is_identifier()
}

fn flip(relation: Relation, is_reversed: bool) -> Relation {
    match (relation, is_reversed) {
        (Relation::Above, true) => Relation::Below,
        (Relation::AtLeast, true) => Relation::AtMost,
        (Relation::Below, true) => Relation::Above,
        (Relation::AtMost, true) => Relation::AtLeast,
        (other, _) => other,
    }
}
