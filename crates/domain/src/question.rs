//! When two questions ask the same: by their words, without case, a sentence's punctuation and words that only fill.
//!
//! Where two questions are the same, the SQL of one is run for the other and nobody is asked. So nothing that can change what is asked
//! is forgiven there: no letter, no number, no sign. Whatever is alike in a looser way is told, and used by nobody unasked.

use serde::{Deserialize, Serialize};

/// The longest question that is verified, in characters.
pub const QUESTION_MAX: usize = 2_000;

/// Words that change nothing about what is asked. In capitals they stay: "plan A" is a name.
const FILLERS: &str = "a an the please can could would you give show tell hey hi just kindly";
/// The fillers after which "me" fills as well. "ME" is a place, and "us" may be one in any case.
const BEFORE_ME: [&str; 3] = ["give", "show", "tell"];

/// How much alike two questions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The same words, numbers and signs in the same order.
    Same,
    /// Most of the words, endings and slips of spelling forgiven: what is asked may still be another thing.
    Similar,
}

/// What questions that ask the same have in common: their words, numbers and signs in order, in lower case, without fillers.
pub fn key(question: &str) -> String {
    let words = words(question);
    let mut kept = Vec::with_capacity(words.len());
    let mut before = String::new();
    for (place, word) in words.iter().enumerate() {
        let lower = word.to_lowercase();
        if !is_filler(word, &lower, &before, place == 0) {
            kept.push(lower.clone());
        }
        before = lower;
    }
    kept.join(" ")
}

/// How much alike two keys are; `None` where they are not.
pub fn likeness(asked: &str, known: &str) -> Option<Likeness> {
    if asked == known {
        return Some(Likeness::Same);
    }
    let (asked, known) = (distinct_stems(asked), distinct_stems(known));
    let is_shared = |word: &&String| known.iter().any(|other| *word == other || is_slip(word, other));
    let shared = asked.iter().filter(is_shared).count();
    let all = (asked.len() + known.len()).saturating_sub(shared);
    (shared * 3 >= all * 2).then_some(Likeness::Similar)
}

/// Words and numbers (`3.5`, `1,000`, `example.com`), and each sign (`<`, `#`, `-`) by itself. What only ends or parts sentences, and
/// quotation marks, are left out.
fn words(question: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut letters = question.chars().peekable();
    let mut is_in_word = false;
    while let Some(letter) = letters.next() {
        let goes_on = letters.peek().is_some_and(|next| next.is_alphanumeric());
        let is_part = letter.is_alphanumeric() || (goes_on && matches!(letter, '.' | ',' | ':'));
        if is_part {
            match words.last_mut().filter(|_| is_in_word) {
                Some(word) => word.push(letter),
                None => words.push(letter.to_string()),
            }
        } else if is_sign(letter, letters.peek().copied()) {
            words.push(letter.to_string());
        }
        is_in_word = is_part;
    }
    words
}

fn is_sign(letter: char, next: Option<char>) -> bool {
    match letter {
        '.' | ',' | ':' | ';' | '?' | '…' | '¿' | '¡' | '\'' | '"' | '`' | '“' | '”' | '„' | '‘' | '’'
        | '«' | '»' | '「' | '」' | '。' | '，' | '、' | '？' | '！' | '：' | '；' => false,
        // It ends a sentence, or denies what follows: `!=`.
        '!' => next == Some('='),
        _ => !letter.is_whitespace() && !letter.is_control(),
    }
}

fn is_filler(word: &str, lower: &str, before: &str, is_first: bool) -> bool {
    let in_capitals = word.chars().all(char::is_uppercase) && !(is_first && word.chars().count() == 1);
    let fills =
        FILLERS.split(' ').any(|filler| filler == lower) || (lower == "me" && BEFORE_ME.contains(&before));
    fills && !in_capitals
}

/// The words of a key without plural endings, each once.
fn distinct_stems(key: &str) -> Vec<String> {
    let mut stems: Vec<String> = key.split(' ').map(singular).collect();
    stems.sort();
    stems.dedup();
    stems
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
        likeness(&key(one), &key(other))
    }

    #[test]
    fn case_fillers_and_punctuation_change_nothing() {
        for (one, other) in [
            ("How many flights were there last week?", "how many FLIGHTS were there last week"),
            ("Show me the revenue by product", "Revenue by product!"),
            ("Please, can you tell me the revenue by product?", "revenue by product"),
            ("Signups by country, last week.", "signups by country last week"),
            ("Orders of “Northwind”", "Orders of Northwind"),
            ("Orders with total>=3.5", "orders with total >= 3.5"),
        ] {
            assert_eq!(alike(one, other), Some(Likeness::Same), "{one} / {other}");
        }
    }

    /// Of each pair one would be answered by the other's SQL. With `is_sign` made to answer false, `us` put back among the fillers, or
    /// slips forgiven in `likeness`, this fails.
    #[test]
    fn what_may_ask_another_thing_is_never_the_same() {
        for (one, other) in [
            ("How many flights were there in May?", "How many flights were there in March?"),
            ("How many flights from Reno to Boise?", "How many flights from Boise to Reno?"),
            ("Flights in 2013", "Flights in 2014"),
            ("Number of imports last week by country", "Number of exports last week by country"),
            ("Flights from US airports", "Flights from airports"),
            ("Flights from us airports", "Flights from airports"),
            ("Flights to ME", "Flights to"),
            ("Customers of plan A", "Customers of plan"),
            ("How many orders > 100?", "How many orders < 100?"),
            ("How many orders >= 100?", "How many orders > 100?"),
            ("Orders with status != 3", "Orders with status = 3"),
            ("Days below -5 degrees", "Days below 5 degrees"),
            ("Orders above 3.5", "Orders above 35"),
            ("Orders above 3.5", "Orders above 3 5"),
            ("Rise of 5%", "Rise of 5"),
            ("Courses in C#", "Courses in C++"),
            ("Courses in .NET", "Courses in NET"),
            ("Total charges last month", "Total changes last month"),
            ("Number of contracts", "Number of contacts"),
            ("Revenue of Peterson last month", "Revenue of Petersen last month"),
            ("Revenue of Williams last month", "Revenue of William last month"),
        ] {
            assert_ne!(alike(one, other), Some(Likeness::Same), "{one} / {other}");
        }
    }

    #[test]
    fn a_letters_difference_is_similar_and_other_words_are_not() {
        for (one, other) in [
            ("How many flights were there in May?", "How many flights were there in March?"),
            ("How many flights were there last week?", "How many flight were there last week?"),
            ("Which airlines flew most?", "Which arilines flew most?"),
            ("Average departure delay", "Average departre delay"),
            ("Total charges last month", "Total changes last month"),
            ("How many orders > 100?", "How many orders < 100?"),
        ] {
            assert_eq!(alike(one, other), Some(Likeness::Similar), "{one} / {other}");
        }
        assert_eq!(alike("Revenue by product", "Which airlines flew most?"), None);
    }

    #[test]
    fn a_question_of_marks_alone_has_no_key() {
        for question in ["", " ?! ", "…", "please", "“”"] {
            assert_eq!(key(question), "", "{question:?}");
        }
    }
}
