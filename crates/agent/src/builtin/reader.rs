//! Reading a question from one base table: cues, mentions and time phrases become a plan, or the reason why not.

use chrono::NaiveDate;

use super::{
    calendar::{self, TimeMention, When},
    catalog::{Catalog, TableInfo},
    clarify::Doubt,
    cues::{Cue, CueMention},
    lexicon,
    mention::{self, Candidate, Mention, Reach, Scores, Target, ValueMatch},
    plan::{ColumnRef, Filter, Link, Plan},
    words::Token,
};

/// A question cut into tokens, with what does not depend on any table.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// What is asked, with signs such as `>=` spelled out.
    pub text: String,
    /// Its words.
    pub tokens: Vec<Token>,
    /// Its cues.
    pub cues: Vec<CueMention>,
    /// Its time phrases.
    pub times: Vec<TimeMention>,
    /// The day it is asked.
    pub today: NaiveDate,
}

/// A plan and how well it accounts for the words.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// The query.
    pub plan: Plan,
    /// Higher is better.
    pub score: f64,
    /// What was assumed, in sentences.
    pub assumptions: Vec<String>,
    /// Words that fit several columns alike.
    pub doubts: Vec<Doubt>,
    /// Words that found no use.
    pub unused: Vec<String>,
    /// What the question calls columns.
    pub said: Vec<(ColumnRef, String)>,
    /// A word that must narrow down what is asked for, and that nothing in the data goes by.
    pub unknown: Option<String>,
}

/// A stretch of the question in its role.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The first token.
    pub start: usize,
    /// The token after the last.
    pub end: usize,
    /// What it is.
    pub kind: ItemKind,
    /// Whether some part of the plan accounts for it.
    pub is_used: bool,
}

/// What a stretch of a question is.
#[derive(Clone, Debug)]
pub(super) enum ItemKind {
    /// A cue.
    Cue(Cue),
    /// Words that name something.
    Mention(Mention),
    /// A time phrase.
    Time(When),
    /// A number on its own.
    Number(f64),
    /// Any other word; whether it carries content.
    Word(bool),
}

/// The state of reading.
pub(super) struct Reader<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) question: &'a Question,
    pub(super) scores: &'a Scores,
    pub(super) links: &'a [Link],
    pub(super) base: usize,
    pub(super) items: Vec<Item>,
    pub(super) filters: Vec<Filter>,
    pub(super) assumptions: Vec<String>,
    pub(super) doubts: Vec<Doubt>,
    /// What the question calls columns.
    pub(super) said: Vec<(ColumnRef, String)>,
    /// What the reading gained or lost beyond the fit of its words.
    pub(super) bonus: f64,
}

impl Question {
    /// Cuts a question.
    pub(super) fn new(text: &str, today: NaiveDate) -> Self {
        let spelled = text
            .replace(">=", " at least ")
            .replace("<=", " at most ")
            .replace('>', " more than ")
            .replace('<', " less than ")
            .replace('%', " percent ");
        let mut tokens = super::words::tokenise(&spelled);
        drop_of_day(&mut tokens);
        let times = calendar::find(&tokens, today);
        let is_time = |at: usize| times.iter().any(|time| (time.start..time.end).contains(&at));
        let cues = super::cues::find(&tokens, &is_time);
        Self { text: spelled, tokens, cues, times, today }
    }

    /// Whether a token belongs to a time phrase.
    pub(super) fn is_time(&self, at: usize) -> bool {
        self.times.iter().any(|time| (time.start..time.end).contains(&at))
    }

    /// Whether a token belongs to a cue.
    pub(super) fn is_cue(&self, at: usize) -> bool {
        self.cues.iter().any(|cue| (cue.start..cue.end).contains(&at))
    }

    /// Whether a token may be part of a name.
    pub(super) fn may_name(&self, at: usize) -> bool {
        let token = &self.tokens[at];
        !self.is_time(at)
            && !token.quoted
            && token.number.is_none()
            && !lexicon::is_function_word(&token.lower)
    }
}

impl<'a> Reader<'a> {
    /// Starts to read from a base table.
    pub(super) fn new(
        catalog: &'a Catalog,
        question: &'a Question,
        scores: &'a Scores,
        links: &'a [Link],
        values: &[ValueMatch],
        base: usize,
    ) -> Self {
        let reaches: Vec<Reach> = mention::reach(base, links);
        let is_free = |at: usize| !question.is_cue(at) && !question.is_time(at);
        let mentions = mention::mentions(catalog, &question.tokens, scores, values, &reaches, &is_free);
        let items = items(question, mentions);
        Self {
            catalog,
            question,
            scores,
            links,
            base,
            items,
            filters: Vec::new(),
            assumptions: Vec::new(),
            doubts: Vec::new(),
            said: Vec::new(),
            bonus: 0.0,
        }
    }

    /// The base table.
    pub(super) fn table(&self) -> &'a TableInfo {
        &self.catalog.tables[self.base]
    }

    /// A column of the base table.
    pub(super) fn own(&self, column: usize) -> ColumnRef {
        ColumnRef { path: Vec::new(), table: self.base, column }
    }

    /// The next item from a position that is more than a word holding the sentence together.
    pub(super) fn next_item(&self, from: usize) -> Option<usize> {
        (from..self.items.len()).find(|index| !matches!(self.items[*index].kind, ItemKind::Word(false)))
    }

    /// As [`Self::next_item`], but passing over words that name nothing.
    pub(super) fn next_named(&self, from: usize) -> Option<usize> {
        (from..self.items.len()).find(|index| !matches!(self.items[*index].kind, ItemKind::Word(_)))
    }

    /// The item before a position that is more than a word holding the sentence together.
    pub(super) fn item_before(&self, index: usize) -> Option<usize> {
        (0..index).rev().find(|index| !matches!(self.items[*index].kind, ItemKind::Word(false)))
    }

    /// The cue at an item.
    pub(super) fn cue(&self, index: usize) -> Option<&Cue> {
        match &self.items.get(index)?.kind {
            ItemKind::Cue(cue) => Some(cue),
            _ => None,
        }
    }

    /// The readings of a mention at an item.
    pub(super) fn candidates(&self, index: usize) -> &[Candidate] {
        match self.items.get(index).map(|item| &item.kind) {
            Some(ItemKind::Mention(mention)) => &mention.candidates,
            _ => &[],
        }
    }

    /// The positions of cues that pass a test.
    pub(super) fn cues_where(&self, test: impl Fn(&Cue) -> bool) -> Vec<usize> {
        (0..self.items.len()).filter(|index| self.cue(*index).is_some_and(&test)).collect()
    }

    /// Whether there is such a cue.
    pub(super) fn has_cue(&self, test: impl Fn(&Cue) -> bool) -> bool {
        self.items.iter().any(|item| matches!(&item.kind, ItemKind::Cue(cue) if test(cue)))
    }

    /// Marks an item as accounted for.
    pub(super) fn take(&mut self, index: usize) {
        self.items[index].is_used = true;
    }

    /// The words of an item.
    pub(super) fn text(&self, index: usize) -> String {
        let item = &self.items[index];
        self.question.tokens[item.start..item.end]
            .iter()
            .map(|token| token.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The best reading of a mention as a column that passes a test. A close second of the base table is noted.
    pub(super) fn column_at(&mut self, index: usize, test: impl Fn(&ColumnRef) -> bool) -> Option<ColumnRef> {
        let fitting: Vec<(f64, ColumnRef)> = self
            .candidates(index)
            .iter()
            .filter_map(|candidate| match &candidate.target {
                Target::Column(column) if test(column) => Some((candidate.score, column.clone())),
                _ => None,
            })
            .collect();
        let (score, first) = fitting.first()?.clone();
        let rivals: Vec<ColumnRef> = fitting
            .into_iter()
            .filter(|(other, rival)| *other > score - 0.03 && rival.path == first.path)
            .map(|(_, rival)| rival)
            .collect();
        let (column, helper) = self.settle(index, &rivals).unwrap_or((first, None));
        if let Some(helper) = helper {
            self.take(helper);
        } else if rivals.len() > 1 {
            let chosen = &column.info(self.catalog).name;
            let said = self.text(index);
            let others: Vec<String> = rivals
                .iter()
                .filter(|rival| **rival != column)
                .map(|rival| format!("`{}`", rival.info(self.catalog).name))
                .collect();
            self.assumptions.push(format!(
                "I took “{said}” to mean `{chosen}`; it could also be {}.",
                others.join(" or ")
            ));
            self.note_doubt(index, &column, &rivals);
        }
        let said = self.text(index).to_lowercase();
        self.said.push((column.clone(), said));
        Some(column)
    }

    fn note_doubt(&mut self, index: usize, taken: &ColumnRef, rivals: &[ColumnRef]) {
        let Item { start, end, .. } = self.items[index];
        if self.doubts.iter().any(|known| known.start == start) {
            return;
        }
        let name = |column: &ColumnRef| column.info(self.catalog).parts.join(" ");
        let others = rivals.iter().filter(|rival| *rival != taken).map(name);
        let readings = std::iter::once(name(taken)).chain(others).collect();
        self.doubts.push(Doubt { start, end, taken: taken.clone(), readings });
    }

    /// Of columns that fit a mention alike, the one whose name another word of the question completes, and that word:
    /// "delayed … on departure".
    fn settle(&self, index: usize, rivals: &[ColumnRef]) -> Option<(ColumnRef, Option<usize>)> {
        if rivals.len() < 2 {
            return None;
        }
        let completes = |at: usize, rival: &ColumnRef| {
            let item = &self.items[at];
            let is_open =
                !item.is_used && at != index && matches!(item.kind, ItemKind::Mention(_) | ItemKind::Word(_));
            let word = &self.question.tokens[item.start].lower;
            let is_single = item.end == item.start + 1 && !lexicon::is_stop_word(word);
            let own: Vec<&str> = self.question.tokens[self.items[index].start..self.items[index].end]
                .iter()
                .map(|token| token.lower.as_str())
                .collect();
            let parts = &rival.info(self.catalog).parts;
            let is_left = |part: &&String| own.iter().all(|own| super::words::word_score(own, part) < 0.5);
            is_open
                && is_single
                && parts.iter().filter(is_left).any(|part| super::words::word_score(word, part) >= 0.7)
        };
        let mut found = None;
        for rival in rivals {
            if let Some(at) = (0..self.items.len()).find(|at| completes(*at, rival)) {
                if found.is_some() {
                    return None;
                }
                found = Some((rival.clone(), Some(at)));
            }
        }
        found
    }

    /// Whether the best reading of a mention is the base table.
    pub(super) fn is_base(&self, index: usize) -> bool {
        self.candidates(index).first().is_some_and(|best| best.target == Target::Base)
    }

    /// The reading of a mention as the base table, if it is among the best.
    pub(super) fn may_be_base(&self, index: usize) -> bool {
        let best = self.candidates(index).first().map_or(0.0, |best| best.score);
        self.candidates(index)
            .iter()
            .any(|candidate| candidate.target == Target::Base && candidate.score > best - 0.1)
    }

    /// A word that nothing explains where only a condition can stand: before a noun ("cancelled flights") or at the end of
    /// a clause ("flights were cancelled"). To pass over it would be to answer another question.
    fn unknown_modifier(&self) -> Option<String> {
        let asks_did = |at: usize| {
            self.question.tokens[..self.items[at].start]
                .iter()
                .any(|token| matches!(token.lower.as_str(), "do" | "does" | "did"))
        };
        (0..self.items.len()).find_map(|at| {
            let item = &self.items[at];
            let token = &self.question.tokens[item.start];
            if !matches!(item.kind, ItemKind::Word(true)) || item.is_used || lexicon::is_neutral(&token.lower) {
                return None;
            }
            let next = self.items.get(at + 1);
            let ends_clause = next.is_none_or(|next| self.question.tokens[next.start].after_break);
            let before_noun = next.is_some_and(|next| matches!(&next.kind, ItemKind::Mention(mention) if !matches!(mention.candidates[0].target, Target::Values(..))));
            let is_group = at.checked_sub(1).is_some_and(|before| matches!(self.cue(before), Some(Cue::By | Cue::Each)))
                // "placed by customers from Germany" tells of the value, not of groups.
                && !self.next_item(at + 1).is_some_and(|next| self.is_filter_value(next));
            ((ends_clause && !asks_did(at)) || before_noun || is_group).then(|| token.text.clone())
        })
    }

    /// Finishes a reading: scores what was used and lists what was not.
    pub(super) fn finish(mut self, plan: Plan) -> Reading {
        let mut score = self.bonus;
        let mut unused = Vec::new();
        for index in 0..self.items.len() {
            let item = &self.items[index];
            let length = (item.end - item.start) as f64;
            match &item.kind {
                ItemKind::Mention(mention) if item.is_used => {
                    let best = mention.candidates.first().map_or(0.0, |candidate| candidate.score);
                    score += best * length;
                }
                ItemKind::Mention(mention) => {
                    let is_base =
                        mention.candidates.first().is_some_and(|candidate| candidate.target == Target::Base);
                    if is_base {
                        score += mention.candidates[0].score * length;
                    } else {
                        score -= 0.3;
                        unused.push(self.text(index));
                    }
                }
                ItemKind::Word(true) if !item.is_used => {
                    score -= 0.12;
                    unused.push(self.text(index));
                }
                ItemKind::Number(_) | ItemKind::Time(_) if !item.is_used => {
                    score -= 0.5;
                    unused.push(self.text(index));
                }
                _ => {}
            }
        }
        self.assumptions.dedup();
        let unknown = self.unknown_modifier();
        Reading {
            plan,
            score,
            assumptions: self.assumptions,
            doubts: self.doubts,
            unused,
            said: self.said,
            unknown,
        }
    }
}

/// "hour of the day" is an hour, "day of the month" a day; "day of the week" is left to its cue.
fn drop_of_day(tokens: &mut Vec<Token>) {
    let mut at = 1;
    while at + 1 < tokens.len() {
        let after = at + 1 + usize::from(tokens[at + 1].lower == "the");
        let outer = tokens.get(after).map_or("", |token| token.lower.as_str());
        let is_part = matches!(
            (tokens[at - 1].lower.as_str(), outer),
            ("hour" | "hours", "day")
                | ("day" | "days", "month")
                | ("month" | "months" | "quarter" | "quarters", "year")
        );
        if tokens[at].lower == "of" && is_part {
            tokens.drain(at..=after);
        }
        at += 1;
    }
}

/// Lays cues, times and mentions out in the order of the question.
fn items(question: &Question, mentions: Vec<Mention>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut at = 0;
    let mut mentions = mentions.into_iter().peekable();
    while at < question.tokens.len() {
        let mut push = |end: usize, kind: ItemKind| {
            items.push(Item { start: at, end, kind, is_used: false });
            end
        };
        while mentions.peek().is_some_and(|mention| mention.start < at) {
            mentions.next();
        }
        if let Some(mention) = mentions.next_if(|mention| mention.start == at) {
            at = push(mention.end, ItemKind::Mention(mention));
        } else if let Some(time) = question.times.iter().find(|time| time.start == at) {
            at = push(time.end, ItemKind::Time(time.when.clone()));
        } else if let Some(cue) = question.cues.iter().find(|cue| cue.start == at) {
            at = push(cue.end, ItemKind::Cue(cue.cue.clone()));
        } else {
            let token = &question.tokens[at];
            let kind = match token.number {
                Some(number) => ItemKind::Number(number),
                None => ItemKind::Word(!lexicon::is_stop_word(&token.lower) || token.quoted),
            };
            at = push(at + 1, kind);
        }
    }
    items
}
