//! Words: cutting a question into tokens, stems, and how well words of a question fit the parts of a name.

use super::lexicon;

/// A piece of a question.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// As written.
    pub text: String,
    /// In lower case.
    pub lower: String,
    /// Its value, where it is a number.
    pub number: Option<f64>,
    /// Whether it stood in quotation marks: a value, whatever it looks like.
    pub quoted: bool,
    /// Whether a sentence ends or a clause is cut before it (`.`, `,`, `;`, `:`, `(`).
    pub after_break: bool,
    /// The byte at which it starts.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
}

impl Token {
    /// Whether it is written as names are: a capital letter or a digit among letters.
    pub(super) fn looks_named(&self) -> bool {
        self.quoted
            || self.text.chars().next().is_some_and(char::is_uppercase)
            || (self.number.is_none() && self.text.chars().any(|letter| letter.is_ascii_digit()))
    }

    /// Whether it is written as codes are: capitals and digits only, at least two.
    pub(super) fn looks_like_code(&self) -> bool {
        self.number.is_none()
            && self.text.chars().count() >= 2
            && self
                .text
                .chars()
                .all(|letter| letter.is_uppercase() || letter.is_ascii_digit() || letter == '-')
            && self.text.chars().any(char::is_uppercase)
    }
}

/// Cuts a text into words, numbers (`1,000`, `2.5`, `10%`, `3k`) and quoted strings.
pub(super) fn tokenise(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut after_break = true;
    while let Some((start, first)) = chars.next() {
        if let Some(close) = closing_quote(first)
            && let Some(length) =
                quoted_length(&text[start + first.len_utf8()..], close, &tokens, text, start)
        {
            let from = start + first.len_utf8();
            let inside = &text[from..from + length];
            let end = from + length + close.len_utf8();
            tokens.push(Token {
                text: inside.to_owned(),
                lower: inside.to_lowercase(),
                number: None,
                quoted: true,
                after_break,
                start,
                end,
            });
            after_break = false;
            while chars.peek().is_some_and(|(at, _)| *at < end) {
                chars.next();
            }
            continue;
        }
        if !first.is_alphanumeric() {
            after_break |= matches!(first, '.' | ',' | ';' | ':' | '(' | '?' | '!' | '\n');
            continue;
        }
        let mut end = start + first.len_utf8();
        while let Some(&(at, letter)) = chars.peek() {
            let next = text[at + letter.len_utf8()..].chars().next();
            let inner = matches!(letter, '.' | ',' | ':')
                && text[..at].chars().next_back().is_some_and(|before| before.is_ascii_digit())
                && next.is_some_and(|after| after.is_ascii_digit());
            let joined = matches!(letter, '_' | '-' | '\'' | '’' | '&' | '/')
                && next.is_some_and(char::is_alphanumeric);
            if !(letter.is_alphanumeric() || inner || joined) {
                break;
            }
            end = at + letter.len_utf8();
            chars.next();
        }
        push_word(&mut tokens, text, start, end, after_break);
        after_break = false;
    }
    tokens
}

/// Adds a word; words joined by `-`, `/` or `_` are parted unless they look like a code, a date or a number.
fn push_word(tokens: &mut Vec<Token>, text: &str, start: usize, end: usize, after_break: bool) {
    let word = &text[start..end];
    let has_digit = word.chars().any(|letter| letter.is_ascii_digit());
    let is_parted =
        word.contains(['-', '/', '_']) && !has_digit && !word.chars().all(|c| c.is_uppercase() || c == '-');
    if is_parted {
        let mut from = start;
        for piece in word.split(['-', '/', '_']) {
            push_word(tokens, text, from, from + piece.len(), after_break && from == start);
            from += piece.len() + 1;
        }
        return;
    }
    let kept = ["'s", "’s", "'S"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
    let lower = kept.to_lowercase();
    tokens.push(Token {
        number: number_of(&lower),
        text: kept.to_owned(),
        lower,
        quoted: false,
        after_break,
        start,
        end,
    });
}

fn closing_quote(open: char) -> Option<char> {
    match open {
        '"' | '\'' | '`' => Some(open),
        '“' => Some('”'),
        '‘' => Some('’'),
        '«' => Some('»'),
        _ => None,
    }
}

/// The length in bytes of what is quoted, if the mark opens a quotation (an apostrophe within a word does not).
fn quoted_length(rest: &str, close: char, tokens: &[Token], text: &str, start: usize) -> Option<usize> {
    let opens = !text[..start].chars().next_back().is_some_and(char::is_alphanumeric);
    let length = rest.find(close)?;
    let is_short = length > 0 && length <= 80 && !rest[..length].contains('\n');
    let before = tokens.len();
    (opens && is_short && before < 500).then_some(length)
}

/// `1,000` → 1000, `3k` → 3000, `1.5m` → 1500000, `ten` → 10.
fn number_of(lower: &str) -> Option<f64> {
    if let Some(number) = lexicon::number_word(lower) {
        return Some(number);
    }
    if !lower.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let plain = lower.replace(',', "");
    let (digits, factor) = match plain.chars().next_back() {
        Some('k') => (&plain[..plain.len() - 1], 1e3),
        Some('m') => (&plain[..plain.len() - 1], 1e6),
        _ => (plain.as_str(), 1.0),
    };
    digits.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| value * factor)
}

/// A word without the endings of English: plural, past, gerund, and the nouns made from verbs.
pub(super) fn stem(word: &str) -> String {
    let singular = singular(word);
    for (ending, at_least) in [
        ("ation", 4),
        ("ition", 4),
        ("ment", 4),
        ("tion", 4),
        ("sion", 4),
        ("ings", 4),
        ("ing", 3),
        ("ure", 4),
        ("ied", 3),
        ("ed", 3),
        ("er", 4),
        ("al", 4),
        ("e", 3),
        ("y", 3),
    ] {
        if let Some(rest) = singular.strip_suffix(ending)
            && rest.chars().count() >= at_least
            && !(ending == "y" && rest.ends_with(['a', 'e', 'o', 'u']))
        {
            return undouble(rest);
        }
    }
    undouble(&singular)
}

/// The singular of a plural noun; other words as they are.
pub(super) fn singular(word: &str) -> String {
    if let Some(irregular) = lexicon::irregular_singular(word) {
        return irregular.to_owned();
    }
    if word.len() > 4
        && let Some(rest) = word.strip_suffix("ies")
    {
        return format!("{rest}y");
    }
    for ending in ["sses", "shes", "ches", "xes", "zes"] {
        if word.ends_with(ending) {
            return word[..word.len() - 2].to_owned();
        }
    }
    let is_plural = word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us");
    if is_plural && !word.ends_with("is") { word[..word.len() - 1].to_owned() } else { word.to_owned() }
}

fn undouble(rest: &str) -> String {
    let mut letters: Vec<char> = rest.chars().collect();
    if letters.len() > 3 && letters[letters.len() - 1] == letters[letters.len() - 2] && !rest.ends_with("ss")
    {
        letters.pop();
    }
    letters.into_iter().collect()
}

/// The parts of a name: `sched_dep_time` → sched, dep, time; `orderedAt` → ordered, at; `"Unit Price"` → unit, price.
pub(super) fn name_parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut current = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (index, letter) in letters.iter().enumerate() {
        if !letter.is_alphanumeric() {
            push_part(&mut parts, &mut current);
            continue;
        }
        let before = index.checked_sub(1).map(|at| letters[at]);
        let starts_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || (before.is_uppercase()
                        && letters.get(index + 1).is_some_and(|next| next.is_lowercase()))
            });
        if starts_word {
            push_part(&mut parts, &mut current);
        }
        current.extend(letter.to_lowercase());
    }
    push_part(&mut parts, &mut current);
    parts
}

fn push_part(parts: &mut Vec<String>, current: &mut String) {
    if !current.is_empty() {
        parts.push(std::mem::take(current));
    }
}

/// How well a word of a question fits one part of a name, 0 (not at all) to 1 (the same word).
pub(super) fn word_score(word: &str, part: &str) -> f64 {
    if word == part {
        return 1.0;
    }
    if singular(word) == singular(part) {
        return 0.98;
    }
    let (word_stem, part_stem) = (stem(word), stem(part));
    if word_stem == part_stem && word_stem.len() >= 4 {
        return 0.92;
    }
    let kin: f64 = if lexicon::are_synonyms(word, part) { 0.75 } else { 0.0 };
    kin.max(abbreviation_score(&singular(word), part)).max(shared_stem_score(&word_stem, &part_stem))
}

/// Words of one family whose endings the stemmer does not know: `depart`, `departure`.
fn shared_stem_score(word: &str, part: &str) -> f64 {
    let shared = word.chars().zip(part.chars()).take_while(|(left, right)| left == right).count();
    let (short, long) = (word.len().min(part.len()), word.len().max(part.len()));
    if short >= 5 && shared == short && long - short <= 4 { 0.8 } else { 0.0 }
}

/// How well `part` abbreviates `word`: its beginning (`dest`), its consonants (`qty`), or letters of it in order (`amt`).
fn abbreviation_score(word: &str, part: &str) -> f64 {
    let (word_len, part_len) = (word.chars().count(), part.chars().count());
    if part_len < 2 || part_len + 2 > word_len || word.chars().next() != part.chars().next() {
        return 0.0;
    }
    let share = part_len as f64 / word_len as f64;
    if word.starts_with(part) {
        return if part_len >= 3 { 0.75 + 0.2 * share } else { 0.0 };
    }
    if part_len > 5 || !is_subsequence(part, word) {
        return 0.0;
    }
    // Vowels only stand in what both begin with: `dept`, `qty`, but not `date` for "department".
    let begun = word.chars().zip(part.chars()).take_while(|(left, right)| left == right).count();
    let has_late_vowel = part.chars().skip(begun.max(1)).any(|letter| "aeiou".contains(letter));
    if !has_late_vowel && part_len >= 3 { 0.55 + 0.2 * share } else { 0.0 }
}

fn is_subsequence(short: &str, long: &str) -> bool {
    let mut letters = long.chars();
    short.chars().all(|wanted| letters.any(|letter| letter == wanted))
}

/// How well one part stands for several words run together: `tailnum` for "tail number", `tzone` for "time zone",
/// `timezone` for "time zone".
pub(super) fn compound_score(words: &[&str], part: &str) -> f64 {
    let joined = words.concat();
    if joined == part || singular(&joined) == singular(part) {
        return 0.95;
    }
    let singulars: Vec<String> = words.iter().map(|word| singular(word)).collect();
    let letters: usize = singulars.iter().map(String::len).sum();
    if part.len() < 2 || !is_chain_of_beginnings(&singulars, part) {
        return 0.0;
    }
    0.55 + 0.4 * part.len() as f64 / letters as f64
}

/// Whether `part` is a beginning of each word, one after the other, none left out.
fn is_chain_of_beginnings(words: &[String], part: &str) -> bool {
    let Some((word, rest)) = words.split_first() else { return part.is_empty() };
    let shared = word.chars().zip(part.chars()).take_while(|(left, right)| left == right).count();
    (1..=shared).rev().any(|length| {
        is_chain_of_beginnings(
            rest,
            &part[part.char_indices().nth(length).map_or(part.len(), |(at, _)| at)..],
        )
    })
}

/// How well a run of words names something whose name has these parts, 0 to 1. Every word must find a part; parts left
/// over lower the score, the more the more they say.
pub(super) fn phrase_score(words: &[&str], parts: &[String]) -> f64 {
    if words.is_empty() || parts.is_empty() {
        return 0.0;
    }
    let joined_name = parts.concat();
    if parts.len() > 1
        && words.len() == 1
        && (words[0] == joined_name || singular(words[0]) == singular(&joined_name))
    {
        return 0.97;
    }
    let mut part_scores = vec![0.0_f64; parts.len()];
    let mut quality = 0.0;
    let mut at = 0;
    while at < words.len() {
        let Some(found) = best_fit(&words[at..], parts, &part_scores) else { return 0.0 };
        quality += found.score * found.words as f64;
        part_scores[found.first_part..found.first_part + found.parts].fill(found.score);
        at += found.words;
    }
    quality /= words.len() as f64;
    let weight_all: f64 = parts.iter().map(|part| lexicon::part_weight(part)).sum();
    let weight_met: f64 = parts
        .iter()
        .zip(&part_scores)
        .filter(|(_, score)| **score > 0.0)
        .map(|(part, _)| lexicon::part_weight(part))
        .sum();
    let coverage = weight_met / weight_all;
    if coverage < 0.3 { 0.0 } else { quality * (0.4 + 0.6 * coverage) }
}

struct Fit {
    words: usize,
    first_part: usize,
    parts: usize,
    score: f64,
}

/// The best part, or pair of parts, for the first word or words.
fn best_fit(words: &[&str], parts: &[String], taken: &[f64]) -> Option<Fit> {
    let mut best: Option<Fit> = None;
    let mut offer = |fit: Fit| {
        let value = |fit: &Fit| fit.score + 0.1 * (fit.words + fit.parts) as f64;
        if fit.score >= 0.5 && best.as_ref().is_none_or(|best| value(&fit) > value(best)) {
            best = Some(fit);
        }
    };
    for first_part in 0..parts.len() {
        if taken[first_part] > 0.0 {
            continue;
        }
        offer(Fit { words: 1, first_part, parts: 1, score: word_score(words[0], &parts[first_part]) });
        for length in 2..=words.len().min(3) {
            let score = compound_score(&words[..length], &parts[first_part]);
            offer(Fit { words: length, first_part, parts: 1, score });
        }
        if let Some(second) = parts.get(first_part + 1)
            && taken[first_part + 1] == 0.0
        {
            let both = format!("{}{second}", parts[first_part]);
            let is_same = words[0] == both || singular(words[0]) == singular(&both);
            offer(Fit { words: 1, first_part, parts: 2, score: if is_same { 0.95 } else { 0.0 } });
        }
    }
    best
}

/// A word with its first letter in upper case.
pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Whether a noun is in the plural.
pub(super) fn is_plural(word: &str) -> bool {
    singular(word) != word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_cut_into_words_numbers_and_quotations() {
        let words: Vec<String> =
            tokenise("How many orders over 1,500 in \"New York\", since O'Neill's sign-ups?")
                .into_iter()
                .map(|token| token.lower)
                .collect();
        assert_eq!(
            words,
            ["how", "many", "orders", "over", "1,500", "in", "new york", "since", "o'neill", "sign", "ups"]
        );
        let numbers: Vec<Option<f64>> =
            tokenise("1,500 2.5 3k ten 12th").iter().map(|token| token.number).collect();
        assert_eq!(numbers, [Some(1500.0), Some(2.5), Some(3000.0), Some(10.0), None]);
        assert!(tokenise("").is_empty());
        assert!(tokenise("?! ... --").is_empty());
    }

    #[test]
    fn names_are_parted() {
        assert_eq!(name_parts("sched_dep_time"), ["sched", "dep", "time"]);
        assert_eq!(name_parts("orderedAt"), ["ordered", "at"]);
        assert_eq!(name_parts("HTTPStatus"), ["http", "status"]);
        assert_eq!(name_parts("Unit Price"), ["unit", "price"]);
        assert!(name_parts("").is_empty());
    }

    #[test]
    fn abbreviations_are_recognised_by_rule() {
        for (word, part) in [
            ("quantity", "qty"),
            ("amount", "amt"),
            ("department", "dept"),
            ("category", "catg"),
            ("customer", "cust"),
            ("patients", "patient"),
            ("arrived", "arrival"),
        ] {
            assert!(word_score(word, part) >= 0.6, "{word} for {part}: {}", word_score(word, part));
        }
        for (word, part) in [("late", "lat"), ("salary", "sale"), ("order", "border"), ("visit", "vendor")] {
            assert!(word_score(word, part) < 0.6, "{word} for {part}: {}", word_score(word, part));
        }
    }

    #[test]
    fn words_run_together_are_recognised() {
        let score = |words: &[&str], name: &str| phrase_score(words, &name_parts(name));
        assert!(score(&["phone", "number"], "phonenum") > 0.8);
        assert!(score(&["zip", "code"], "zipcode") > 0.9);
        assert!(score(&["signups"], "sign_ups") > 0.9);
        assert!(score(&["unit", "price"], "unit_price") > 0.99);
        assert!(score(&["price"], "unit_price") < score(&["price"], "price"));
        assert!(score(&["weight"], "unit_price") < 0.1);
        assert!(score(&[], "unit_price") < 0.1);
    }

    #[test]
    fn plurals_and_stems() {
        for (plural, one) in [
            ("countries", "country"),
            ("boxes", "box"),
            ("classes", "class"),
            ("species", "species"),
            ("bus", "bus"),
        ] {
            assert_eq!(singular(plural), one);
        }
        assert_eq!(stem("delays"), stem("delayed"));
        assert_eq!(stem("selling"), stem("sell"));
        assert_eq!(stem("departure"), stem("departing"));
    }
}
