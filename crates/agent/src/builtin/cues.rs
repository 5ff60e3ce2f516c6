//! Cues: the words of a question that say what to do with what it names.

use super::{
    lexicon::{self, Degree, Direction},
    plan::{Aggregate, Relation},
    words::Token,
};

/// What a few words ask for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cue {
    /// "how many", "number of".
    Count,
    /// "how much".
    Amount,
    /// "average", "total".
    Aggregate(Aggregate),
    /// "distinct", "different".
    Distinct,
    /// "share of", "percentage of"; whether in percent.
    Share(bool),
    /// "by".
    By,
    /// "per", "each", "for every".
    Each,
    /// "which", "what" before a noun.
    Which,
    /// "top 10", "bottom".
    Top(Direction),
    /// "longest", "most".
    Superlative(Degree),
    /// "over 60 minutes", "between 1 and 2".
    Bound(Bound),
    /// "no", "without", "missing".
    Missing,
    /// "not", "except".
    Not,
    /// "compare", "versus".
    Compare,
    /// "growth", "month over month".
    Growth,
    /// "unusual", "anomaly".
    Anomaly,
    /// "over time", "trend".
    OverTime,
    /// "day of the week".
    Weekday,
    /// "list", "show": rows are asked for.
    List,
    /// "highest first": an order, which results have anyway.
    Order,
}

/// A bound on a quantity.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bound {
    /// One, or two for "between".
    pub limits: Vec<(Relation, f64)>,
    /// What a comparative such as "longer than" speaks of.
    pub degree: Option<Degree>,
    /// The word after the number that is taken for a unit; it may be what is counted instead.
    pub unit: Option<usize>,
}

/// A cue and the tokens that make it up.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CueMention {
    /// The first token.
    pub start: usize,
    /// The token after the last.
    pub end: usize,
    /// What it asks for.
    pub cue: Cue,
}

/// The cues of a question, in order. `is_taken` tells tokens that are part of time phrases.
pub(super) fn find(tokens: &[Token], is_taken: &dyn Fn(usize) -> bool) -> Vec<CueMention> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_taken(at) || tokens[at].quoted {
            at += 1;
            continue;
        }
        match cue_at(tokens, at, is_taken) {
            Some((length, cue)) => {
                found.push(CueMention { start: at, end: at + length, cue });
                at += length;
            }
            None => at += 1,
        }
    }
    found
}

#[expect(clippy::match_same_arms, reason = "a list of phrases, each with its meaning")]
fn cue_at(tokens: &[Token], at: usize, is_taken: &dyn Fn(usize) -> bool) -> Option<(usize, Cue)> {
    let word = |offset: usize| {
        tokens.get(at + offset).filter(|token| !token.quoted).map_or("", |token| token.lower.as_str())
    };
    if let Some((length, bound)) = bound_at(tokens, at, is_taken) {
        return Some((length, Cue::Bound(bound)));
    }
    let of = usize::from(word(1) == "of");
    let cue = match (word(0), word(1)) {
        ("how", "many") => (2, Cue::Count),
        ("how", "much") => (2, Cue::Amount),
        ("how", "often") => (2, Cue::Count),
        ("number" | "count" | "counts" | "numbers" | "nr", "of") => (2, Cue::Count),
        ("count", _) if at == 0 || tokens[at].after_break => (1, Cue::Count),
        ("average" | "mean" | "avg" | "averaged" | "typical", _) => {
            (1 + of, Cue::Aggregate(Aggregate::Average))
        }
        ("on", "average") => (2, Cue::Aggregate(Aggregate::Average)),
        ("total" | "sum" | "totals" | "summed" | "combined" | "cumulative" | "overall", _) => {
            (1 + of, Cue::Aggregate(Aggregate::Sum))
        }
        ("standard", "deviation") => (2 + usize::from(word(2) == "of"), Cue::Aggregate(Aggregate::Deviation)),
        ("stddev" | "std", _) => (1 + of, Cue::Aggregate(Aggregate::Deviation)),
        ("median", _) => (1 + of, Cue::Aggregate(Aggregate::Median)),
        ("maximum" | "max" | "maximal" | "peak", _) => (1 + of, Cue::Aggregate(Aggregate::Max)),
        ("minimum" | "min" | "minimal", _) => (1 + of, Cue::Aggregate(Aggregate::Min)),
        ("distinct" | "unique" | "different" | "various", _) => (1, Cue::Distinct),
        ("share" | "proportion" | "fraction" | "ratio", _) => (1 + of, Cue::Share(false)),
        ("percentage" | "percent" | "pct", _) => (1 + of, Cue::Share(true)),
        ("broken" | "split" | "divided", "down" | "up" | "by") => {
            (if word(2) == "by" { 3 } else { 2 }, Cue::By)
        }
        ("grouped" | "grouping" | "group", "by") => (2, Cue::By),
        ("each" | "every", "combination" | "pair") if word(2) == "of" => (3, Cue::Each),
        ("for", "each" | "every") if matches!(word(2), "combination" | "pair") && word(3) == "of" => {
            (4, Cue::Each)
        }
        ("by", "each" | "every") => (2, Cue::Each),
        ("by", _) => (1, Cue::By),
        ("for" | "at" | "in" | "from" | "of" | "on" | "with", "each" | "every") => (2, Cue::Each),
        ("per" | "each" | "every", _) => (1, Cue::Each),
        ("across" | "among", _) => (1, Cue::By),
        ("day" | "days", "of") if word(2) == "week" || (word(2) == "the" && word(3) == "week") => {
            (if word(2) == "the" { 4 } else { 3 }, Cue::Weekday)
        }
        ("weekday" | "weekdays", _) => (1, Cue::Weekday),
        ("which" | "what" | "whose", _) => (1, Cue::Which),
        ("who", _) => (1, Cue::Which),
        ("without" | "missing" | "lack" | "lacks" | "lacking" | "null" | "unknown" | "blank", _) => {
            (1, Cue::Missing)
        }
        ("no", _) => (1, Cue::Missing),
        ("not" | "except" | "excluding" | "exclude" | "besides", _) => (1, Cue::Not),
        ("other", "than") => (2, Cue::Not),
        (
            "compare" | "compared" | "compares" | "comparison" | "versus" | "vs" | "against" | "comparing",
            _,
        ) => (1, Cue::Compare),
        ("differ" | "difference", _) => (1, Cue::Compare),
        ("growth" | "growing" | "grow" | "grew" | "grown", _) => (1, Cue::Growth),
        ("month" | "week" | "year" | "day" | "quarter" | "period", "over") if word(2) == word(0) => {
            (3, Cue::Growth)
        }
        ("mom" | "wow" | "yoy", _) => (1, Cue::Growth),
        (
            "unusual" | "anomaly" | "anomalies" | "abnormal" | "strange" | "odd" | "outlier" | "outliers"
            | "weird" | "anomalous" | "unexpected" | "suspicious" | "spike" | "spikes",
            _,
        ) => (1, Cue::Anomaly),
        ("over", "time") => (2, Cue::OverTime),
        ("trend" | "trends" | "trending" | "evolution" | "history", _) => (1, Cue::OverTime),
        ("list" | "enumerate" | "rank" | "sort", _) if at < 3 => (1, Cue::List),
        ("top" | "best" | "leading", _) => (1, Cue::Top(Direction::Most)),
        ("bottom", _) => (1, Cue::Top(Direction::Least)),
        // "Which product launched first?"
        ("first" | "last", _) if at > 2 && tokens.get(at + 1).is_none_or(|token| token.after_break) => {
            (1, Cue::Superlative(lexicon::degree(if word(0) == "first" { "earliest" } else { "latest" })?))
        }
        ("busiest", _) => {
            (1, Cue::Superlative(Degree { direction: Direction::Most, attributes: &[], reversed: &[] }))
        }
        (first, "first") if superlative(first).is_some() => (2, Cue::Order),
        ("descending" | "ascending", "order") => (2, Cue::Order),
        (first, _) => (1, Cue::Superlative(superlative(first)?)),
    };
    let crosses = (at..at + cue.0).any(is_taken);
    (!crosses).then_some(cue)
}

/// The degree of a superlative: "longest", "most", "fewest", but not "long" or "more".
fn superlative(word: &str) -> Option<Degree> {
    let is_form = word.ends_with("st") || matches!(word, "max" | "min" | "top" | "bottom");
    if is_form { lexicon::degree(word) } else { None }
}

/// "more than 60 minutes", "at least 5", "between 10 and 20", "60 or more", "longer than 3 hours".
fn bound_at(tokens: &[Token], at: usize, is_taken: &dyn Fn(usize) -> bool) -> Option<(usize, Bound)> {
    let word = |index: usize| {
        tokens.get(index).filter(|token| !token.quoted).map_or("", |token| token.lower.as_str())
    };
    let number = |index: usize| tokens.get(index).filter(|_| !is_taken(index)).and_then(|token| token.number);
    let simple = |relation: Relation, at_number: usize, degree: Option<Degree>| {
        let (value, end) = scaled(number(at_number)?, tokens, at_number + 1);
        let after = skip_unit(tokens, end);
        Some((
            after - at,
            Bound { limits: vec![(relation, value)], degree, unit: (after > end).then_some(end) },
        ))
    };
    if let Some(value) = number(at) {
        let after = skip_unit(tokens, at + 1);
        let relation = match (word(after), word(after + 1)) {
            ("or", "more" | "above" | "over" | "greater" | "higher" | "longer" | "older") => {
                Relation::AtLeast
            }
            ("or", "less" | "fewer" | "below" | "under" | "lower" | "shorter" | "younger") => {
                Relation::AtMost
            }
            _ => return None,
        };
        let unit = (after > at + 1).then_some(at + 1);
        return Some((after + 2 - at, Bound { limits: vec![(relation, value)], degree: None, unit }));
    }
    match (word(at), word(at + 1)) {
        ("between", _) => {
            let (low, middle) = (number(at + 1)?, skip_unit(tokens, at + 2));
            let high = number(middle + 1).filter(|_| word(middle) == "and" || word(middle) == "to")?;
            let end = skip_unit(tokens, middle + 2);
            let unit = (end > middle + 2).then_some(middle + 2);
            let limits = vec![(Relation::AtLeast, low), (Relation::AtMost, high)];
            Some((end - at, Bound { limits, degree: None, unit }))
        }
        ("at", "least") | ("minimum", "of") => simple(Relation::AtLeast, at + 2, None),
        ("at", "most") | ("up", "to") | ("maximum", "of") => simple(Relation::AtMost, at + 2, None),
        ("no" | "not", "more") if word(at + 2) == "than" => simple(Relation::AtMost, at + 3, None),
        ("no" | "not", "less" | "fewer") if word(at + 2) == "than" => simple(Relation::AtLeast, at + 3, None),
        ("exactly" | "equals" | "precisely", _) => simple(Relation::Equal, at + 1, None),
        ("equal", "to") => simple(Relation::Equal, at + 2, None),
        ("over" | "above" | "exceeding" | "exceeds" | "exceed" | "exceeded" | "beyond", _) => {
            simple(Relation::Above, at + 1, None)
        }
        ("under" | "below" | "beneath", _) => simple(Relation::Below, at + 1, None),
        (comparative, "than") => {
            let degree = lexicon::degree(comparative).or_else(|| match comparative {
                "more" | "greater" | "bigger" | "worse" => lexicon::degree("most"),
                _ => None,
            })?;
            let relation =
                if degree.direction == Direction::Most { Relation::Above } else { Relation::Below };
            simple(relation, at + 2, Some(degree).filter(|degree| !degree.attributes.is_empty()))
        }
        _ => None,
    }
}

/// "5 thousand", "2 million".
fn scaled(value: f64, tokens: &[Token], at: usize) -> (f64, usize) {
    match tokens.get(at).map(|token| token.lower.as_str()) {
        Some("hundred") => (value * 1e2, at + 1),
        Some("thousand") => (value * 1e3, at + 1),
        Some("million") => (value * 1e6, at + 1),
        Some("billion") => (value * 1e9, at + 1),
        _ => (value, at),
    }
}

/// The token after a unit, if one stands here.
fn skip_unit(tokens: &[Token], at: usize) -> usize {
    let is_unit = tokens.get(at).is_some_and(|token| !token.after_break && lexicon::is_unit(&token.lower));
    if is_unit { at + 1 } else { at }
}
