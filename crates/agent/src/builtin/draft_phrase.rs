//! Wishes to have a question asked again and again: "run this every Monday morning and send it to #growth".

use std::ops::Range;

/// The days of the week as people write them, and as schedules do.
const WEEKDAYS: [(&str, &[&str]); 7] = [
    ("mon", &["monday", "mondays", "mon"]),
    ("tue", &["tuesday", "tuesdays", "tue", "tues"]),
    ("wed", &["wednesday", "wednesdays", "wed"]),
    ("thu", &["thursday", "thursdays", "thu", "thur", "thurs"]),
    ("fri", &["friday", "fridays", "fri"]),
    ("sat", &["saturday", "saturdays", "sat"]),
    ("sun", &["sunday", "sundays", "sun"]),
];
/// Parts of the day, and the hour that stands for each.
const HOURS: [(&str, u8); 9] = [
    ("morning", 9),
    ("mornings", 9),
    ("noon", 12),
    ("midday", 12),
    ("afternoon", 14),
    ("evening", 18),
    ("evenings", 18),
    ("night", 21),
    ("midnight", 0),
];
/// Verbs that ask for something to be sent.
const SENDING: [&str; 6] = ["send", "email", "mail", "post", "deliver", "message"];
/// Verbs that ask for something to be repeated, where "this" or the like follows.
const REPEATING: [&str; 9] = ["run", "rerun", "repeat", "do", "make", "turn", "save", "ask", "schedule"];
/// Words that stand for what was asked before.
const THIS: [&str; 6] = ["this", "that", "it", "these", "them", "again"];
/// Words that hold a wish together and are no part of a question.
const GLUE: &str = "a an and also as at be by can could each every from i in into it like me my now of on please set so task \
    that the them then this these to up us want will would you";

/// A wish, cut into what it says of the task.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    /// When, if it says so.
    pub rhythm: Option<Rhythm>,
    /// The hour, if it says so.
    pub hour: Option<u8>,
    /// The zone, if it names one.
    pub timezone: Option<String>,
    /// Who is told, as written.
    pub recipients: Vec<String>,
    /// What is left: the question, where the wish holds one of its own.
    pub question: Option<String>,
    /// What cannot be had as asked.
    pub notes: Vec<String>,
}

/// How often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rhythm {
    Daily,
    /// On these days.
    Weekly(Vec<&'static str>),
    /// On this day.
    Monthly(i64),
    /// On the n-th weekday, -1 for the last.
    MonthlyBy(i64, &'static str),
}

/// A word, and where it stands.
struct Word {
    lower: String,
    text: String,
    /// The mark behind it that ends a clause.
    mark: Option<char>,
    at: Range<usize>,
}

/// Reads a wish; `None` for what is a question.
pub(super) fn read(text: &str) -> Option<Wish> {
    let words = words(text);
    let mut reader = Reader { used: vec![false; words.len()], words: &words, notes: Vec::new() };
    let command = reader.command()?;
    let rhythm = reader.rhythm();
    let speaks_of_task = words.iter().any(|word| word.lower == "task");
    if rhythm.is_none() && !speaks_of_task {
        return None;
    }
    reader.used[command] = true;
    let hour = reader.hour();
    let timezone = reader.timezone();
    let recipients = reader.recipients();
    let question = reader.question(text);
    Some(Wish { rhythm, hour, timezone, recipients, question, notes: reader.notes })
}

struct Reader<'a> {
    words: &'a [Word],
    /// What is understood.
    used: Vec<bool>,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    fn word(&self, at: usize) -> &'a str {
        self.words.get(at).map_or("", |word| word.lower.as_str())
    }

    fn take(&mut self, range: Range<usize>) {
        for at in range {
            if let Some(used) = self.used.get_mut(at) {
                *used = true;
            }
        }
    }

    /// The verb of the wish: at the start of a clause, or behind "please", "can you", "and".
    fn command(&self) -> Option<usize> {
        (0..self.words.len()).find(|at| {
            let opens = *at == 0
                || self.words[at - 1].mark.is_some()
                || matches!(
                    self.word(at - 1),
                    "and" | "then" | "please" | "you" | "now" | "to" | "also" | "just"
                );
            let verb = self.word(*at);
            let next = self.word(at + 1);
            let repeats = REPEATING.contains(&verb)
                && (THIS.contains(&next) || (matches!(next, "a" | "the") && self.word(at + 2) == "task"));
            opens && (SENDING.contains(&verb) || repeats || (verb == "create" && self.word(at + 2) == "task"))
        })
    }

    fn rhythm(&mut self) -> Option<Rhythm> {
        let at = (0..self.words.len()).find(|at| {
            let first = self.word(*at);
            matches!(
                first,
                "every" | "each" | "daily" | "weekly" | "monthly" | "weekdays" | "hourly" | "quarterly"
            ) || matches!(first, "yearly" | "annually" | "fortnightly" | "biweekly")
                || (first.ends_with("days") && weekday(first).is_some())
        })?;
        let (rhythm, length) = match self.word(at) {
            "every" | "each" => self.every(at + 1).map(|(rhythm, length)| (rhythm, length + 1))?,
            "daily" => (Rhythm::Daily, 1),
            "weekdays" => (workdays(), 1),
            "weekly" => (Rhythm::Weekly(vec!["mon"]), 1),
            "monthly" => (Rhythm::Monthly(1), 1),
            other if weekday(other).is_some() => self.weekdays(at)?,
            _ => (self.instead(at..at + 1), 1),
        };
        self.take(at..at + length);
        Some(match rhythm {
            Rhythm::Weekly(days) if self.says_week(at..at + length) => {
                Rhythm::Weekly(self.on_weekday().unwrap_or(days))
            }
            Rhythm::Monthly(day) => self.on_day().unwrap_or(Rhythm::Monthly(day)),
            other => other,
        })
    }

    /// What follows "every", and how many words that is.
    fn every(&mut self, at: usize) -> Option<(Rhythm, usize)> {
        let groups =
            matches!(self.word(at + 1), "in" | "of" | "during" | "since" | "between" | "last" | "this");
        let of_month = self.word(at + 1) == "of" && matches!(self.word(at + 2), "the" | "every" | "each");
        match self.word(at) {
            // "every day of last week" groups; it does not repeat.
            _ if groups && !of_month => None,
            "day" => Some((Rhythm::Daily, 1)),
            "morning" | "evening" | "afternoon" | "night" => Some((Rhythm::Daily, 0)),
            "weekday" | "workday" | "weekdays" => Some((workdays(), 1)),
            "business" | "working" if self.word(at + 1) == "day" => Some((workdays(), 2)),
            "week" => Some((Rhythm::Weekly(vec!["mon"]), 1)),
            "month" => Some((Rhythm::Monthly(1), 1)),
            "other" | "second" | "two" | "2" | "three" | "3" if unit(self.word(at + 1)) => {
                Some((self.instead(at..at + 2), 2))
            }
            "hour" | "minute" | "quarter" | "year" => Some((self.instead(at..at + 1), 1)),
            word if weekday(word).is_some() => self.weekdays(at),
            word => match (ordinal(word), weekday(self.word(at + 1))) {
                (Some(n), Some(day)) if n == -1 || (1..=4).contains(&n) => {
                    Some((Rhythm::MonthlyBy(n, day), 2))
                }
                (Some(day), None) if (1..=31).contains(&day) => Some((Rhythm::Monthly(day), 1)),
                _ => None,
            },
        }
    }

    /// The closest to what tasks cannot do, which is said.
    fn instead(&mut self, asked: Range<usize>) -> Rhythm {
        let words: Vec<&str> = asked.map(|at| self.word(at)).collect();
        let words = words.join(" ");
        let rhythm = match words.as_str() {
            "hour" | "minute" | "hourly" => Rhythm::Daily,
            words if words.contains("day") => Rhythm::Daily,
            words if words.contains("week") || words.contains("fortnight") => Rhythm::Weekly(vec!["mon"]),
            _ => Rhythm::Monthly(1),
        };
        let nearest = match &rhythm {
            Rhythm::Daily => "daily",
            Rhythm::Weekly(_) => "weekly",
            Rhythm::Monthly(_) | Rhythm::MonthlyBy(..) => "monthly",
        };
        self.notes.push(format!(
            "Tasks run daily, weekly or monthly: for “{words}” the nearest is {nearest}, which this draft has."
        ));
        rhythm
    }

    /// "Monday, Wednesday and Friday", and how many words that is.
    fn weekdays(&self, at: usize) -> Option<(Rhythm, usize)> {
        let mut days = vec![weekday(self.word(at))?];
        let mut length = 1;
        loop {
            let step = usize::from(matches!(self.word(at + length), "and" | "&" | "or"));
            let Some(day) = weekday(self.word(at + length + step)) else { break };
            if !days.contains(&day) {
                days.push(day);
            }
            length += step + 1;
        }
        Some((Rhythm::Weekly(days), length))
    }

    fn says_week(&self, mut range: Range<usize>) -> bool {
        range.any(|at| matches!(self.word(at), "week" | "weekly"))
    }

    /// "on Tuesday".
    fn on_weekday(&mut self) -> Option<Vec<&'static str>> {
        let at = (0..self.words.len())
            .find(|at| self.word(*at) == "on" && weekday(self.word(at + 1)).is_some())?;
        let (rhythm, length) = self.weekdays(at + 1)?;
        self.take(at..at + 1 + length);
        match rhythm {
            Rhythm::Weekly(days) => Some(days),
            Rhythm::Daily | Rhythm::Monthly(_) | Rhythm::MonthlyBy(..) => None,
        }
    }

    /// "on the 15th", "on the last day", "on the first Monday".
    fn on_day(&mut self) -> Option<Rhythm> {
        for at in 0..self.words.len() {
            if self.word(at) != "on" {
                continue;
            }
            let start = at + 1 + usize::from(self.word(at + 1) == "the");
            let Some(n) = ordinal(self.word(start)) else { continue };
            let (rhythm, end) = match weekday(self.word(start + 1)) {
                Some(day) if n == -1 || (1..=4).contains(&n) => (Rhythm::MonthlyBy(n, day), start + 2),
                _ if n == -1 && self.word(start + 1) == "day" => (Rhythm::Monthly(31), start + 2),
                _ if (1..=31).contains(&n) => (Rhythm::Monthly(n), start + 1),
                _ => continue,
            };
            let end = end + if self.word(end) == "of" { 3 } else { 0 };
            self.take(at..end);
            return Some(rhythm);
        }
        None
    }

    fn hour(&mut self) -> Option<u8> {
        for at in 0..self.words.len() {
            let after_at = at > 0 && matches!(self.word(at - 1), "at" | "around" | "by");
            let word = self.word(at);
            if let Some((_, hour)) = HOURS.iter().find(|(name, _)| *name == word) {
                let from = at - usize::from(after_at);
                // "in the morning".
                let from = if at >= 2 && self.word(at - 1) == "the" { at - 2 } else { from };
                self.take(from..at + 1);
                // "Monday morning at 8": the hour is the better word.
                return Some(self.clock().unwrap_or(*hour));
            }
        }
        self.clock()
    }

    /// "at 9", "at 9:30", "5 pm", "9am".
    fn clock(&mut self) -> Option<u8> {
        for at in 0..self.words.len() {
            if self.used[at] {
                continue;
            }
            let word = self.word(at);
            let (digits, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
                (Some(digits), _) => (digits, Some("am")),
                (_, Some(digits)) => (digits, Some("pm")),
                _ => (word, None),
            };
            let next = self.word(at + 1);
            let half = half.or(Some(next).filter(|next| matches!(*next, "am" | "pm")));
            let is_after_at = at > 0 && matches!(self.word(at - 1), "at" | "around" | "by");
            let (hour, minute) = digits.split_once(':').unwrap_or((digits, "0"));
            let (Ok(hour), Ok(minute)) = (hour.parse::<u8>(), minute.parse::<u8>()) else { continue };
            if !(is_after_at || half.is_some()) || hour > 23 || minute > 59 {
                continue;
            }
            let hour = match half {
                Some("pm") if hour < 12 => hour + 12,
                Some("am") if hour == 12 => 0,
                _ => hour,
            };
            if minute > 0 {
                self.notes
                    .push("Delivery windows open on the full hour: the minutes were left out.".to_owned());
            }
            self.take(at - usize::from(is_after_at)..at + 1 + usize::from(matches!(next, "am" | "pm")));
            return Some(hour);
        }
        None
    }

    fn timezone(&mut self) -> Option<String> {
        let at = (0..self.words.len()).find(|at| {
            let word = &self.words[*at].text;
            (word.contains('/') || word == "UTC" || word == "GMT") && word.parse::<chrono_tz::Tz>().is_ok()
        })?;
        self.take(at..at + 1);
        Some(self.words[at].text.clone())
    }

    fn recipients(&mut self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for at in 0..self.words.len() {
            if self.words[at].lower.starts_with('#') && self.words[at].lower.len() > 1 {
                self.take(at..at + 1);
                found.push(self.words[at].text.clone());
            }
            if SENDING.contains(&self.word(at)) {
                self.used[at] = true;
                if matches!(self.word(at + 1), "me" | "us" | "myself") {
                    self.take(at + 1..at + 2);
                    found.push("me".to_owned());
                }
            }
        }
        let is_sent = self.words.iter().any(|word| SENDING.contains(&word.lower.as_str()));
        for at in 0..self.words.len() {
            if is_sent && self.word(at) == "to" && !self.used[at] {
                self.take(at..at + 1);
                self.list(at + 1, &mut found);
            }
        }
        let mut once: Vec<String> = Vec::new();
        for name in found {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        once
    }

    /// "#growth, Robin and the finance team": up to what is understood already, or the clause's end.
    fn list(&mut self, start: usize, found: &mut Vec<String>) {
        let mut name: Vec<String> = Vec::new();
        let mut at = start;
        while at < self.words.len() {
            let Word { lower, text, mark, .. } = &self.words[at];
            let is_channel = lower.starts_with('#');
            let ends = (self.used[at] && !is_channel)
                || matches!(lower.as_str(), "every" | "each" | "at" | "on" | "by" | "in");
            if ends {
                break;
            }
            if matches!(lower.as_str(), "and" | "&" | "or") || is_channel {
                push_name(found, &mut name);
            } else if lower != "the" && lower != "to" {
                name.push(text.trim_start_matches('@').to_owned());
            }
            self.used[at] = true;
            match mark {
                None => {}
                Some(',') => push_name(found, &mut name),
                Some(_) => break,
            }
            at += 1;
        }
        push_name(found, &mut name);
    }

    /// What is left, where it is more than what holds a wish together.
    fn question(&self, text: &str) -> Option<String> {
        let left: Vec<usize> = (0..self.words.len()).filter(|at| !self.used[*at]).collect();
        let is_glue = |at: &usize| GLUE.split_whitespace().any(|glue| glue == self.word(*at));
        let first = left.iter().position(|at| !is_glue(at) || is_article(self.word(*at)))?;
        let last = left.iter().rposition(|at| !is_glue(at))?;
        let kept = left.get(first..=last)?;
        if kept.iter().all(is_glue) {
            return None;
        }
        let words: Vec<&str> = kept.iter().map(|at| &text[self.words[*at].at.clone()]).collect();
        let question = words.join(" ");
        let question = question.trim_end_matches([',', '.', ':', ';', '!', ' ']);
        (!question.is_empty()).then(|| super::words::capitalised(question))
    }
}

fn push_name(found: &mut Vec<String>, name: &mut Vec<String>) {
    let joined = name.join(" ");
    name.clear();
    match joined.to_lowercase().as_str() {
        "" => {}
        "me" | "myself" | "us" => found.push("me".to_owned()),
        _ => found.push(joined),
    }
}

fn is_article(word: &str) -> bool {
    matches!(word, "the" | "a" | "an")
}

fn workdays() -> Rhythm {
    Rhythm::Weekly(vec!["mon", "tue", "wed", "thu", "fri"])
}

fn unit(word: &str) -> bool {
    matches!(word, "hour" | "hours" | "day" | "days" | "week" | "weeks" | "month" | "months")
}

fn weekday(word: &str) -> Option<&'static str> {
    WEEKDAYS.iter().find(|(_, names)| names.contains(&word)).map(|(day, _)| *day)
}

/// `1st`, `first`, `15`, `last` (-1).
fn ordinal(word: &str) -> Option<i64> {
    const WORDS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
    if word == "last" {
        return Some(-1);
    }
    if let Some(at) = WORDS.iter().position(|known| *known == word) {
        return Some(at as i64 + 1);
    }
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
    digits.parse().ok().filter(|day| (1..=31).contains(day))
}

fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        if !letter.is_whitespace() {
            start.get_or_insert(at);
            continue;
        }
        let Some(from) = start.take() else { continue };
        let whole = &text[from..at];
        let bare = whole.trim_matches(|letter: char| {
            matches!(letter, ',' | '.' | ';' | ':' | '?' | '!' | '(' | ')' | '"')
        });
        words.push(Word {
            lower: bare.to_lowercase(),
            text: bare.to_owned(),
            mark: whole.chars().next_back().filter(|last| matches!(last, ',' | '.' | ';' | ':' | '?' | '!')),
            at: from..at,
        });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let Some(wish) = read(text) else { return "a question".to_owned() };
        format!("{:?} {:?} {:?} {:?}", wish.rhythm, wish.hour, wish.recipients, wish.question)
    }

    #[test]
    fn wishes_are_read() {
        for (text, expected) in [
            (
                "Run this every Monday morning and send it to #growth",
                r##"Some(Weekly(["mon"])) Some(9) ["#growth"] None"##,
            ),
            (
                "Please run this every weekday at 7am",
                r#"Some(Weekly(["mon", "tue", "wed", "thu", "fri"])) Some(7) [] None"#,
            ),
            ("Can you email me this every day at 5 pm?", r#"Some(Daily) Some(17) ["me"] None"#),
            (
                "send it to #growth, Robin and the finance team every Tuesday and Friday at 8",
                r##"Some(Weekly(["tue", "fri"])) Some(8) ["#growth", "Robin", "finance team"] None"##,
            ),
            ("Repeat this every month on the 1st at 9", "Some(Monthly(1)) Some(9) [] None"),
            ("Run this on the first Monday of every month", r#"Some(MonthlyBy(1, "mon")) None [] None"#),
            ("Run this every first Monday", r#"Some(MonthlyBy(1, "mon")) None [] None"#),
            ("Run it monthly on the last day", "Some(Monthly(31)) None [] None"),
            ("Run this weekly on Thursday", r#"Some(Weekly(["thu"])) None [] None"#),
            ("Make this a task", "None None [] None"),
            (
                "Send me the signups by product every Monday at 8",
                r#"Some(Weekly(["mon"])) Some(8) ["me"] Some("The signups by product")"#,
            ),
            (
                "How many signups were there last week? Send it to #growth every Monday.",
                r##"Some(Weekly(["mon"])) None ["#growth"] Some("How many signups were there last week?")"##,
            ),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn questions_stay_questions() {
        for text in [
            "How many flights were there every day last week?",
            "Which products sell every Monday?",
            "Run the numbers for every day of last week",
            "Do the trains run every Monday?",
            "And by country?",
            "What did we post to the ledger each month?",
        ] {
            assert_eq!(told(text), "a question", "{text}");
        }
    }

    #[test]
    fn what_tasks_cannot_do_is_said() {
        let wish = read("Run this every other week at 9:30").expect("a wish");
        assert_eq!(wish.rhythm, Some(Rhythm::Weekly(vec!["mon"])));
        assert_eq!((wish.hour, wish.notes.len()), (Some(9), 2));
        let wish = read("Run this every hour").expect("a wish");
        assert_eq!((wish.rhythm, wish.notes.len()), (Some(Rhythm::Daily), 1));
    }
}
