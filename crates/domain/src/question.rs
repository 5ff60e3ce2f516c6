//! When two questions ask the same: by their words, without case, punctuation and words that only fill.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The longest question that is verified, in characters.
pub const QUESTION_MAX: usize = 2_000;

/// Words that change nothing about what is asked. "US" and "ME" are places, and "plan A" is a name: in capitals they stay.
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

/// How much alike a question's key is to that of one whose SQL is known; `None` where they are not. A slip of spelling is
/// forgiven, but not in a word that is a value in the SQL: "Peterson" is not Petersen.
pub fn likeness(asked: &str, known: &str, known_sql: &str) -> Option<Likeness> {
    let (one, other): (Vec<&str>, Vec<&str>) = (asked.split(' ').collect(), known.split(' ').collect());
    let sql = known_sql.to_lowercase();
    let is_value = |word: &str| sql.split('\'').skip(1).step_by(2).any(|value| value.contains(word));
    let is_same = |one: &str, other: &str| one == other || (is_slip(one, other) && !is_value(other));
    if one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| is_same(one, other)) {
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
        .enumerate()
        .filter(|(place, word)| !is_filler(word, *place == 0))
        .map(|(_, word)| singular(&word.to_lowercase()))
        .collect()
}

fn is_filler(word: &str, is_first: bool) -> bool {
    let in_capitals = word.chars().all(char::is_uppercase) && !(is_first && word.chars().count() == 1);
    !in_capitals && FILLERS.split(' ').any(|filler| filler == word.to_lowercase())
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

/// Whether one of two words that differ is the other with a slip of spelling: one letter more, less or other, or two that changed
/// places. Short words and words with digits are never taken for slips: `May` is not `Mar`.
fn is_slip(one: &str, other: &str) -> bool {
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
        likeness(&key(one), &key(other), "SELECT count(*) FROM flights WHERE carrier = 'UA'")
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
            ("How many US orders were there?", "How many orders were there?"),
            ("Customers of plan A", "Customers of plan"),
        ] {
            assert_ne!(alike(one, other), Some(Likeness::Same), "{one} / {other}");
        }
        assert_eq!(
            alike("How many flights were there in May?", "How many flights were there in March?"),
            Some(Likeness::Similar)
        );
        assert_eq!(alike("Revenue by product", "Which airlines flew most?"), None);
    }

    /// With the look at the SQL taken out of `likeness`, the first is answered by the other's figures.
    #[test]
    fn a_slip_in_a_value_is_another_value() {
        let known = key("Revenue of Petersen last month");
        let of_petersen = "SELECT sum(amount) FROM sales WHERE customer = 'Petersen'";
        assert_ne!(
            likeness(&key("Revenue of Peterson last month"), &known, of_petersen),
            Some(Likeness::Same)
        );
        assert_eq!(
            likeness(&key("Revnue of Petersen last month"), &known, of_petersen),
            Some(Likeness::Same)
        );
    }
}
