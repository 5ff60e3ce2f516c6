//! The part of reading that finds what a superlative speaks of: "the most flights", "the coldest day", "best selling".

use super::{
    cues::Cue,
    lexicon::{self, Degree, Direction},
    measures::column_is_quantity,
    mention::Target,
    plan::{Aggregate, ColumnRef, Measure},
    reader::{ItemKind, Reader},
    understand::{Asked, Grouping},
    words,
};

impl Reader<'_> {
    /// The measure that a superlative ranks by: "the most flights", "the worst average delay", "longest distance".
    pub(super) fn superlative_measure(
        &mut self,
        index: usize,
        degree: Degree,
        asked: Asked,
        grouping: &mut Grouping,
    ) -> Option<Measure> {
        let catalog = self.catalog;
        let mut after = self.next_item(index + 1);
        while let Some(next) = after.filter(|next| matches!(self.cue(*next), Some(Cue::Superlative(_)))) {
            after = self.next_item(next + 1);
        }
        if let Some(at) = after {
            if matches!(self.cue(at), Some(Cue::Aggregate(_) | Cue::Count | Cue::Amount)) {
                return self.measure_from(at, grouping);
            }
            if self.cue(at) == Some(&Cue::Distinct) {
                let counted = self.next_item(at + 1)?;
                return self.count_at(counted, true);
            }
            let is_group = self.grain_at(at).is_some() || matches!(self.cue(at), Some(Cue::Weekday));
            if is_group && !degree.attributes.is_empty() && Some(at) != asked.item && !self.items[at].is_used
            {
                // "the coldest day": by day, what the adjective speaks of.
                let (column, is_reversed) = self
                    .attribute_column(degree.attributes, degree.reversed)
                    .filter(|(_, reversed)| !reversed)?;
                let groups = self.group_at(at).filter(|_| !is_reversed)?;
                self.take(at);
                grouping.is_asked = true;
                grouping.groups.splice(0..0, groups);
                let aggregate =
                    if column.info(self.catalog).is_additive() { Aggregate::Sum } else { Aggregate::Average };
                return Some(Measure::Of(aggregate, column));
            }
            let word = self.text(at).to_lowercase();
            if lexicon::means_frequent(&word) || self.text(index).eq_ignore_ascii_case("busiest") {
                if lexicon::means_frequent(&word) {
                    self.items[at].kind = ItemKind::Word(false);
                }
                let named = if lexicon::means_frequent(&word) { self.next_item(at + 1) } else { Some(at) };
                if let Some(named) = named.filter(|named| !self.items[*named].is_used)
                    && let Some(groups) = self.group_at(named)
                {
                    self.take(named);
                    grouping.is_asked = true;
                    grouping.groups.splice(0..0, groups);
                }
                return Some(Measure::Rows).filter(|_| !grouping.groups.is_empty());
            }
            if let Some(attributes) = lexicon::long_adjective(&word) {
                let (column, _) = self.attribute_column(attributes, &[])?;
                self.items[at].kind = ItemKind::Word(false);
                return Some(Measure::Of(self.extreme(&column, degree, true), column));
            }
            if !self.items[at].is_used && Some(at) != asked.item {
                let is_count_word = degree.attributes.is_empty();
                let has_groups = !grouping.groups.is_empty();
                if self.may_be_base(at) && (is_count_word || has_groups) {
                    self.take(at);
                    if !is_count_word {
                        let (column, is_reversed) =
                            self.attribute_column(degree.attributes, degree.reversed)?;
                        let degree = Degree {
                            direction: if is_reversed {
                                degree.direction.reversed()
                            } else {
                                degree.direction
                            },
                            ..degree
                        };
                        return Some(Measure::Of(self.extreme(&column, degree, false), column));
                    }
                    self.bonus += 0.2;
                    return Some(Measure::Rows);
                }
                let is_vague = self.candidates(at).first().is_some_and(|best| best.score < 0.8);
                let counts = matches!(self.text(index).to_lowercase().as_str(), "most" | "fewest");
                let is_amount = |column: &ColumnRef| column.info(catalog).is_additive();
                if is_vague
                    && counts
                    && !self
                        .candidates(at)
                        .iter()
                        .any(|found| matches!(&found.target, Target::Column(column) if is_amount(column)))
                {
                    self.take(at);
                    let said = self.text(at);
                    self.assumptions
                        .push(format!("I took “{said}” to mean rows of `{}`.", self.table().name));
                    return Some(Measure::Rows);
                }
                if let Some(column) = self.column_at(at, |column| column_is_quantity(catalog, column)) {
                    self.take(at);
                    let is_grouped = has_groups || asked.item.is_some();
                    return Some(Measure::Of(self.extreme(&column, degree, is_grouped), column));
                }
                return self.count_at(at, true).filter(|_| has_groups || asked.item.is_some());
            }
        }
        let said = self.text(index).to_lowercase();
        if said == "busiest" {
            return Some(Measure::Rows);
        }
        let unused = (0..index).rev().find(|at| {
            !self.items[*at].is_used
                && Some(*at) != asked.item
                && self.candidates(*at).iter().any(|found| matches!(&found.target, Target::Column(column) if column.info(catalog).is_measure()))
        });
        if let Some(at) = unused
            && let Some(column) = self.column_at(at, |column| column.info(catalog).is_measure())
        {
            self.take(at);
            let aggregate =
                if column.info(self.catalog).is_additive() { Aggregate::Sum } else { Aggregate::Average };
            return Some(Measure::Of(aggregate, column));
        }
        let (column, _) = self.attribute_column(degree.attributes, degree.reversed)?;
        Some(Measure::Of(self.extreme(&column, degree, true), column))
    }

    /// What "most" or "highest" of a column comes to: a sum for amounts by groups, else the extreme.
    pub(super) fn extreme(&self, column: &ColumnRef, degree: Degree, is_grouped: bool) -> Aggregate {
        let info = column.info(self.catalog);
        let is_named_by_degree =
            degree.attributes.iter().any(|noun| words::phrase_score(&[noun], &info.parts) >= 0.9);
        let says_many = !is_named_by_degree;
        if is_grouped && says_many && info.is_additive() {
            return Aggregate::Sum;
        }
        match degree.direction {
            Direction::Most => Aggregate::Max,
            Direction::Least => Aggregate::Min,
        }
    }

    /// "the best selling products", "the most sold": quantities, where the base has them, else rows.
    pub(super) fn sold_measure(&mut self) -> Option<Measure> {
        let at = (0..self.items.len()).find(|at| {
            matches!(
                self.text(*at).to_lowercase().as_str(),
                "selling" | "sold" | "sells" | "sell" | "ordered" | "bought" | "purchased"
            )
        })?;
        let quantity = ["quantity", "units"].iter().find_map(|noun| {
            let fits =
                |column: &usize| words::phrase_score(&[noun], &self.table().columns[*column].parts) >= 0.7;
            (0..self.table().columns.len())
                .filter(|column| self.table().columns[*column].is_measure())
                .find(fits)
        });
        self.items[at].kind = ItemKind::Word(false);
        if let Some(column) = quantity {
            self.bonus += 0.3;
            return Some(Measure::Of(Aggregate::Sum, self.own(column)));
        }
        self.bonus -= 0.3;
        Some(Measure::Rows)
    }
}
