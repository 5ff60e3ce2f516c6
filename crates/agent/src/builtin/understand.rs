//! From a question's items to a plan: by what it groups, what it measures, in which order, and what shape that makes.

use super::{
    calendar::{self, Range},
    catalog::{Catalog, Grain},
    compare::Comparison,
    cues::Cue,
    filters::GroupBound,
    lexicon::Direction,
    mention::{Scores, ValueMatch},
    plan::{Aggregate, Filter, Group, Link, Measure, Periods, Plan, Rank, Shape},
    reader::{Question, Reader, Reading},
};

/// How many a question for "the most common …" gets when it says no number.
pub(super) const DEFAULT_LIMIT: u32 = 10;

/// The best reading of a question over all tables.
pub(super) fn understand(
    catalog: &Catalog,
    question: &Question,
    links: &[Link],
    values: &[ValueMatch],
) -> Option<Reading> {
    let scores = Scores::new(catalog, &question.tokens, &|at| question.may_name(at));
    let mut best: Option<Reading> = None;
    for base in 0..catalog.tables.len() {
        let reader = Reader::new(catalog, question, &scores, links, values, base);
        if let Some(reading) = read(reader)
            && best.as_ref().is_none_or(|best| reading.score > best.score + 1e-9)
        {
            best = Some(reading);
        }
    }
    best
}

/// What the question is about besides measures: the thing asked for by "which" or "top", and how many of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// The item that names it.
    pub item: Option<usize>,
    /// How many.
    pub limit: Option<u32>,
    /// "top" or "bottom".
    pub top: Option<Direction>,
}

/// Groups and whether they came as "per …", by which a mean may be taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Grouping {
    pub groups: Vec<Group>,
    pub per: Vec<Group>,
    /// Whether a group is what is asked for, so that a superlative ranks it.
    pub is_asked: bool,
}

/// All that was read of a question whose answer is a measure.
struct Slots {
    asked: Asked,
    has_superlative: bool,
    direction: Option<Direction>,
    grouping: Grouping,
    measures: Vec<Measure>,
    bounds: Vec<GroupBound>,
    comparison: Option<Comparison>,
}

fn read(mut reader: Reader<'_>) -> Option<Reading> {
    reader.read_missing();
    reader.read_values();
    let bounds = reader.read_bounds();
    reader.read_numbers();
    let comparison = reader.read_comparison();
    if comparison.is_none() {
        reader.read_times();
    }
    let asked = reader.read_asked();
    let superlative = reader.cues_where(|cue| matches!(cue, Cue::Superlative(_))).first().copied();
    let mut grouping = reader.read_groups(asked);
    let is_ranked = superlative.is_some() || asked.top.is_some();
    if let Some(reading) = reader.read_single_rows(asked, superlative, &grouping) {
        return Some(reader.finish(reading));
    }
    let is_by_measure = reader.cues_where(|cue| *cue == Cue::By).into_iter().any(|by| {
        reader.next_item(by + 1).is_some_and(|next| {
            matches!(reader.cue(next), Some(Cue::Count | Cue::Aggregate(_) | Cue::Amount))
        })
    });
    grouping.is_asked |= asked.top.is_some() && !grouping.groups.is_empty();
    if is_ranked || !bounds.is_empty() || is_by_measure {
        reader.group_by_asked(asked, superlative, &mut grouping);
    }
    reader.read_truths();
    let counted = bounds.iter().find_map(|bound| bound.counted);
    let says_measure = reader
        .has_cue(|cue| matches!(cue, Cue::Aggregate(_) | Cue::Count | Cue::Amount | Cue::Superlative(_)));
    let summed = bounds.iter().find_map(|bound| bound.summed.clone());
    let (measures, direction) = if let Some(column) = summed {
        (vec![Measure::Of(Aggregate::Sum, column)], None)
    } else {
        match counted.filter(|_| !says_measure).and_then(|item| reader.count_at(item, false)) {
            Some(measure) => (vec![measure], None),
            None => reader.read_measures(asked, superlative, &mut grouping),
        }
    };
    if measures.is_empty() {
        let is_unmet = |cue: &Cue| {
            matches!(
                cue,
                Cue::Aggregate(_) | Cue::Share(_) | Cue::Anomaly | Cue::Growth | Cue::Superlative(_)
            )
        };
        if reader.has_cue(is_unmet) || !bounds.is_empty() {
            return None;
        }
        let shape = reader.read_listing(asked, &grouping)?;
        let plan = Plan { base: reader.base, filters: reader.filters.clone(), shape };
        return Some(reader.finish(plan));
    }
    reader.bonus += 0.5;
    reader.drop_pinned(&mut grouping);
    reader.compare_values(&mut grouping);
    let has_superlative = superlative.is_some();
    let shape =
        reader.shape(Slots { asked, has_superlative, direction, grouping, measures, bounds, comparison })?;
    let plan = Plan { base: reader.base, filters: reader.filters.clone(), shape };
    Some(reader.finish(plan))
}

impl Reader<'_> {
    /// Puts what was read together.
    fn shape(&mut self, slots: Slots) -> Option<Shape> {
        let Slots { asked, has_superlative, direction, grouping, measures, bounds, comparison } = slots;
        let mut groups = grouping.groups;
        let measure = measures.first()?.clone();
        let is_moment =
            matches!(&measure, Measure::Of(_, column) if column.info(self.catalog).kind.is_temporal());
        let is_change = comparison.is_some()
            || self.has_cue(|cue| matches!(cue, Cue::Anomaly | Cue::Growth | Cue::Share(_)));
        if is_moment && is_change {
            // Points in time have no differences in per cent.
            return None;
        }
        if self.has_cue(|cue| *cue == Cue::Anomaly) {
            return self.anomaly(measure);
        }
        match comparison {
            Some(Comparison::Periods { current, previous }) => {
                let column = self.time_column(None)?;
                let groups = groups.into_iter().map(within_period).collect();
                return Some(Shape::Comparison {
                    groups,
                    measure,
                    periods: Periods { column, current, previous },
                });
            }
            Some(Comparison::Months(months)) => {
                let time = self.time_groups(Grain::Month)?;
                self.push_month_filter(months);
                groups.splice(0..0, time);
            }
            Some(Comparison::Grains { unit, ranges }) => self.compare_grains(unit, &ranges, &mut groups)?,
            None => {}
        }
        if self.has_cue(|cue| *cue == Cue::Growth) {
            let time = groups.iter().find(|group| is_time(group, self.catalog)).cloned();
            let time = match time {
                Some(time) => time,
                None => self.time_groups(Grain::Month)?.pop()?,
            };
            if matches!(time, Group::Time(..) | Group::Part(_, Grain::Year)) {
                return Some(Shape::Growth { time, measure });
            }
        }
        if self.has_cue(|cue| matches!(cue, Cue::Share(_))) {
            return self.share_shape(groups, measure, asked, direction);
        }
        let mut measures = measures;
        let mut only_count = false;
        if groups.is_empty()
            && !bounds.is_empty()
            && let [Measure::Distinct(column)] = measures.as_slice()
        {
            // "how many carriers have more than 100 flights": groups that pass are counted.
            groups.push(Group::Column(column.clone()));
            only_count = true;
            measures = vec![match bounds.iter().find_map(|bound| bound.counted) {
                Some(item) => self.count_at(item, false)?,
                None => Measure::Rows,
            }];
        }
        let measure = measures.first()?.clone();
        if !bounds.is_empty() && groups.is_empty() {
            return None;
        }
        let mut having = Vec::new();
        for bound in &bounds {
            let bounded = match bound.counted {
                Some(item) => self.count_at(item, false)?,
                None => measure.clone(),
            };
            having.extend(bound.limits.iter().map(|(relation, value)| (bounded.clone(), *relation, *value)));
        }
        let is_asked = grouping.is_asked;
        let rank = direction
            .filter(|_| !groups.is_empty() && is_asked)
            .map(|direction| Rank { direction, limit: self.limit(asked) });
        if rank.is_some() {
            self.exclude_missing_groups(&groups);
        }
        if direction.is_some() && groups.is_empty() && has_superlative && asked.item.is_some() {
            // "Which … has the most …" of which nothing was found to group by.
            return None;
        }
        Some(Shape::Summary {
            groups,
            measures,
            having,
            rank,
            with_share: false,
            in_percent: false,
            only_count,
        })
    }

    /// A ranking of groups leaves out what has no group.
    fn exclude_missing_groups(&mut self, groups: &[Group]) {
        for group in groups {
            if let Group::Column(column) = group
                && column.info(self.catalog).nullable
                && column.path.is_empty()
            {
                self.filters.push(Filter::Missing(column.clone(), false));
            }
        }
    }

    fn anomaly(&mut self, measure: Measure) -> Option<Shape> {
        let column = self.time_column(None)?;
        let found = self
            .filters
            .iter()
            .position(|filter| matches!(filter, Filter::Time(_, range) if range.from.is_some()));
        let named = found.map(|at| self.filters.remove(at));
        let period = if let Some(Filter::Time(_, range)) = named {
            range
        } else {
            let to = self.question.today;
            self.assumptions.push("You named no period, so I looked at the last seven days.".into());
            let from = calendar::next(to, Grain::Day, -7);
            Range {
                from: Some(from),
                to: Some(to),
                label: "the last seven days".into(),
                is_relative: true,
                unit: None,
            }
        };
        Some(Shape::Anomaly { measure, column, period })
    }

    /// Shares: of groups in the whole, or of the rows that pass a condition.
    fn share_shape(
        &mut self,
        groups: Vec<Group>,
        measure: Measure,
        asked: Asked,
        direction: Option<Direction>,
    ) -> Option<Shape> {
        let sum = |measure: &Measure| match measure {
            Measure::Of(Aggregate::Sum, column) => Some(column.clone()),
            _ => None,
        };
        let in_percent = self.has_cue(|cue| *cue == Cue::Share(true));
        let (parts, whole) = self.split_share_filters();
        if parts.is_empty() {
            let groups = if groups.is_empty() { return None } else { groups };
            let rank = direction.map(|direction| Rank { direction, limit: self.limit(asked) });
            return Some(Shape::Summary {
                groups,
                measures: vec![measure],
                having: vec![],
                rank,
                with_share: true,
                in_percent,
                only_count: false,
            });
        }
        self.filters = whole;
        let share = match sum(&measure) {
            Some(column) => Measure::ShareOfSum(column, parts),
            None => Measure::ShareOfRows(parts),
        };
        let rank = direction
            .filter(|_| !groups.is_empty())
            .map(|direction| Rank { direction, limit: self.limit(asked) });
        Some(Shape::Summary {
            groups,
            measures: vec![share],
            having: vec![],
            rank,
            with_share: false,
            in_percent,
            only_count: false,
        })
    }

    /// Filters that make the part (said after a verb), and those that make the whole (said before it; time always).
    fn split_share_filters(&self) -> (Vec<Filter>, Vec<Filter>) {
        let is_whole = |filter: &Filter| {
            matches!(filter, Filter::Time(..) | Filter::Months(..) | Filter::Years(..) | Filter::Weekdays(..))
        };
        let (whole, mut parts): (Vec<Filter>, Vec<Filter>) = self.filters.iter().cloned().partition(is_whole);
        let mut outer = whole;
        if parts.len() > 1 {
            // "share of flights from JFK that were late": what comes first narrows the whole.
            let (values, others): (Vec<Filter>, Vec<Filter>) = parts
                .into_iter()
                .partition(|filter| matches!(filter, Filter::Values { .. } | Filter::Parts(..)));
            if others.is_empty() {
                let mut values = values;
                let last = values.pop();
                outer.extend(values);
                parts = last.into_iter().collect();
            } else {
                outer.extend(values);
                parts = others;
            }
        }
        (parts, outer)
    }
}

/// Whether the least comes first where no ranking is asked for: lists of minima.
pub(super) fn rises(measures: &[Measure]) -> bool {
    matches!(measures.first(), Some(Measure::Of(Aggregate::Min, _)))
}

/// Points in time of two periods fall together by their part: January with January, Monday with Monday.
fn within_period(group: Group) -> Group {
    match group {
        Group::Time(column, Grain::Day) => Group::Weekday(column),
        Group::Time(column, grain) => Group::Part(column, grain),
        other => other,
    }
}

/// Whether a group is a point in time, so that its rows have an order.
pub(super) fn is_time(group: &Group, catalog: &Catalog) -> bool {
    match group {
        Group::Time(..) | Group::Part(..) | Group::Weekday(_) | Group::QuarterOfMonth(_) => true,
        Group::Column(column) => {
            let info = column.info(catalog);
            info.parts.len() == 1
                && info.kind == domain::table::ColumnType::Integer
                && Grain::from_word(&info.parts[0]).is_some()
        }
        Group::FullName(..) => false,
    }
}
