//! Asking back: where words of a question fit several columns alike and somebody is there to be asked. A task's run takes the
//! likeliest column and says so instead.

use super::{
    plan::ColumnRef,
    reader::{Question, Reading},
    reply::Draft,
    words,
};

/// Words that fit several columns of one table alike.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Doubt {
    /// The first token.
    pub start: usize,
    /// The token after the last.
    pub end: usize,
    /// The column that was taken.
    pub taken: ColumnRef,
    /// All that fit, by the parts of their names, the one taken first: "dep delay", "arr delay".
    pub readings: Vec<String>,
}

/// The most readings that are offered.
const MOST_CHOICES: usize = 5;

/// The question back that a reading calls for: one doubt at a time, of those that its plan rests on.
pub(super) fn ask(question: &Question, reading: &Reading) -> Option<Draft> {
    let doubt = reading.doubts.iter().find(|doubt| reading.plan.uses(&doubt.taken))?;
    let (first, last) = (question.tokens.get(doubt.start)?, question.tokens.get(doubt.end - 1)?);
    let (before, said, after) = (
        question.text.get(..first.start)?,
        question.text.get(first.start..last.end)?,
        question.text.get(last.end..)?,
    );
    let readings: Vec<&String> = doubt.readings.iter().take(MOST_CHOICES).collect();
    let choices = readings.iter().map(|reading| format!("{before}{reading}{after}")).collect();
    let names: Vec<String> = readings.iter().map(|reading| format!("“{reading}”")).collect();
    Some(Draft {
        headline: format!("Which “{}” do you mean?", said.trim()),
        body: format!(
            "It could be {}, and the answers differ. Choose one, or ask in other words.",
            names.join(" or ")
        ),
        choices,
        ..Draft::default()
    })
}

/// The choice that a reply means: the one that it repeats; or, of a short one, the only choice that holds all its words, or the
/// one that it counts to.
pub(super) fn chosen<'a>(choices: &'a [String], reply: &str) -> Option<&'a String> {
    let repeats = |choice: &&String| choice.split_whitespace().eq(reply.split_whitespace());
    if let Some(choice) = choices.iter().find(repeats) {
        return Some(choice);
    }
    let lower = |text: &str| -> Vec<String> {
        words::tokenise(text).into_iter().map(|token| token.lower.replace('_', " ")).collect()
    };
    let said: Vec<String> = lower(&reply.replace('_', " "))
        .into_iter()
        .filter(|word| !matches!(word.as_str(), "the" | "i" | "mean" | "meant" | "one" | "please" | "number"))
        .collect();
    if said.is_empty() || said.len() > 4 {
        return None;
    }
    if let [word] = said.as_slice() {
        let place = ["first", "second", "third", "fourth", "fifth"].iter().position(|known| known == word);
        let place = place.or_else(|| word.parse::<usize>().ok()?.checked_sub(1));
        if let Some(choice) = place.and_then(|place| choices.get(place)) {
            return Some(choice);
        }
    }
    let mut fitting = choices.iter().filter(|choice| {
        let known = lower(choice);
        said.iter().all(|word| known.contains(word))
    });
    fitting.next().filter(|_| fitting.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_reply_means_the_choice_that_alone_has_its_words() {
        let choices = ["average dep delay by carrier", "average arr delay by carrier"].map(str::to_owned);
        for (reply, meant) in [
            ("arr_delay", Some(1)),
            ("the arr delay", Some(1)),
            ("I mean dep delay", Some(0)),
            ("the second one", Some(1)),
            ("1", Some(0)),
            ("delay", None),
            ("seats", None),
            ("9", None),
            ("How many planes are there?", None),
            ("", None),
            ("average arr delay by carrier", Some(1)),
        ] {
            assert_eq!(chosen(&choices, reply), meant.map(|at: usize| &choices[at]), "{reply}");
        }
    }
}
