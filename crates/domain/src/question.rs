//! When two questions ask the same: by their words, without case, punctuation and words that only fill.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The longest question that is verified, in characters.
pub const QUESTION_MAX: usize = 2_000;

/// Words that change nothing about what is asked.
const FILLERS: &str = "a an the please can could would you me us give show tell hey hi just kindly";

/// How much alike two questions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The same words in the same order, apart from endings and slips of spelling.
    Same,
    /// Most of the words: what is asked may still be another thing.
    Similar,
}

/// What questions that ask the same have in common: their words in order, in lower case, singular, without fillers.
pub fn key(question: &str) -> String {
    words(question).join(" ")
}

/// How much alike two keys are; `None` where they are not.
pub fn likeness(one: &str, other: &str) -> Option<Likeness> {
    let (one, other): (Vec<&str>, Vec<&str>) = (one.split(' ').collect(), other.split(' ').collect());
    if one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| is_same_word(one, other)) {
        return Some(Likeness::Same);
    }
    let (one, other): (BTreeSet<&str>, BTreeSet<&str>) =
        (one.into_iter().collect(), other.into_iter().collect());
    let (shared, all) = (one.intersection(&other).count(), one.union(&other).count());
    (shared * 3 >= all * 2).then_some(Likeness::Similar)
}

fn words(question: &str) -> Vec<String> {
    question
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .filter(|word| !FILLERS.split(' ').any(|filler| filler == word))
        .map(|word| singular(&word))
        .collect()
}

fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    word.strip_suffix('s')
        .filter(|stem| stem.len() > 2 && !stem.ends_with(['s', 'u', 'i']))
        .unwrap_or(word)
        .to_owned()
}

/// Whether two words are one, or one is the other with a slip of spelling: one letter more, less or other, or two that changed
/// places. Short words and words with digits are never taken for slips: `May` is not `Mar`.
fn is_same_word(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let is_wordy = |word: &[char]| word.len() >= 6 && !word.iter().any(char::is_ascii_digit);
    if !is_wordy(&one) || !is_wordy(&other) || one[0] != other[0] {
        return false;
    }
    let same_start = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[same_start..], &other[same_start..]);
    match (one, other) {
        ([first, second, rest @ ..], [other_first, other_second, other_rest @ ..])
            if first == other_second && second == other_first =>
        {
            rest == other_rest
        }
        ([], [_]) | ([_], []) => true,
        ([_, rest @ ..], [_, other_rest @ ..]) if rest == other_rest => true,
        ([_, rest @ ..], other) if rest == other => true,
        (one, [_, other_rest @ ..]) => one == other_rest,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: &str, other: &str) -> Option<Likeness> {
        likeness(&key(one), &key(other))
    }

    #[test]
    fn case_fillers_endings_and_slips_change_nothing() {
        for (one, other) in [
            ("How many flights were there last week?", "how many flight were there last week"),
            ("Show me the revenue by product", "Revenue by product!"),
            ("Which airlines flew most?", "Which arilines flew most?"),
            ("Signups by country", "signups by country"),
            ("Average departure delay", "Average departre delay"),
        ] {
            assert_eq!(alike(one, other), Some(Likeness::Same), "{one} / {other}");
        }
    }

    #[test]
    fn another_word_or_order_asks_another_thing() {
        for (one, other) in [
            ("How many flights were there in May?", "How many flights were there in March?"),
            ("How many flights from Reno to Boise?", "How many flights from Boise to Reno?"),
            ("Flights in 2013", "Flights in 2014"),
            ("Number of imports last week by country", "Number of exports last week by country"),
        ] {
            assert_ne!(alike(one, other), Some(Likeness::Same), "{one} / {other}");
        }
        assert_eq!(
            alike("How many flights were there in May?", "How many flights were there in March?"),
            Some(Likeness::Similar)
        );
        assert_eq!(alike("Revenue by product", "Which airlines flew most?"), None);
    }
}
