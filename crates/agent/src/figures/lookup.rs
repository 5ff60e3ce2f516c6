//! Where a numeral of prose comes from: a cell, a column's aggregate, a number of rows, or a rule that exempts it.

use std::ops::Range;

use domain::{
    answer::CellRef,
    table::{Cell, Column, ColumnType},
};
use serde::{Deserialize, Serialize};

use super::{
    Question, Source,
    format::parse_moment,
    numeral::{self, Kind, Numeral, PartialDate, Quantity},
};

/// How many rows of a result a model is shown. A numeral from beyond them could only be right by chance, so plain
/// numerals are looked for in these rows and in the aggregates that the model is shown as well.
pub const ROWS_SHOWN: usize = 50;

/// A column's aggregates over all stored rows, as a model is shown them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aggregates {
    /// Cells that are NULL.
    pub nulls: u64,
    /// Distinct values that are not NULL.
    pub distinct: u64,
    /// The smallest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Cell>,
    /// The largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Cell>,
    /// The sum of a numeric column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum: Option<f64>,
    /// The average of a numeric column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avg: Option<f64>,
}

/// Computes the aggregates of the column at `index`.
pub fn aggregates(rows: &[Vec<Cell>], index: usize, column: &Column) -> Aggregates {
    let mut texts = std::collections::HashSet::new();
    let mut numbers = std::collections::HashSet::new();
    let mut found = Aggregates { nulls: 0, distinct: 0, min: None, max: None, sum: None, avg: None };
    let (mut count, mut sum) = (0_u64, 0.0);
    for cell in rows.iter().filter_map(|row| row.get(index)) {
        match cell {
            Cell::Null => {
                found.nulls += 1;
                continue;
            }
            Cell::Text(text) => {
                texts.insert(text.as_str());
            }
            Cell::Int(value) => {
                numbers.insert(*value);
            }
            Cell::Float(value) => {
                numbers.insert(value.to_bits().cast_signed());
            }
            Cell::Bool(value) => {
                numbers.insert(i64::from(*value));
            }
        }
        if column.kind.is_numeric()
            && let Some(value) = cell.as_f64()
        {
            count += 1;
            sum += value;
        }
        if found.min.as_ref().is_none_or(|least| is_less(cell, least, column.kind)) {
            found.min = Some(cell.clone());
        }
        if found.max.as_ref().is_none_or(|most| is_less(most, cell, column.kind)) {
            found.max = Some(cell.clone());
        }
    }
    found.distinct = (texts.len() + numbers.len()) as u64;
    if count > 0 {
        found.sum = Some(sum);
        found.avg = Some(sum / count as f64);
    }
    if matches!(column.kind, ColumnType::Boolean | ColumnType::Json) {
        found.min = None;
        found.max = None;
    }
    found
}

fn is_less(one: &Cell, two: &Cell, kind: ColumnType) -> bool {
    if kind.is_numeric() {
        return one.as_f64() < two.as_f64();
    }
    match (one, two) {
        (Cell::Text(one), Cell::Text(two)) => one < two,
        (Cell::Bool(one), Cell::Bool(two)) => one < two,
        _ => false,
    }
}

/// Where a numeral was found.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// A rule says that it is no claim about the data.
    Exempt,
    /// Here.
    In(CellRef),
    /// In a name that is quoted whole: the cell, and where the name stands.
    Named(CellRef, Range<usize>),
    /// In no result: to be repaired, or marked.
    Nowhere,
}

/// A number that a model was shown.
struct Candidate {
    value: f64,
    is_whole: bool,
    cell: CellRef,
}

/// Everything that a numeral may stem from, gathered once for an answer.
pub(super) struct Finder {
    numbers: Vec<Candidate>,
    dates: Vec<(PartialDate, String, CellRef)>,
    /// Texts of cells that hold a digit: a name such as `737-823` may be quoted.
    names: Vec<(String, CellRef)>,
    exempt_dates: Vec<PartialDate>,
    exempt_times: Vec<String>,
    parameters: Vec<f64>,
    listed: Vec<usize>,
}

impl Finder {
    pub(super) fn new(sources: &[Source<'_>], question: &Question<'_>, body: &str) -> Self {
        let mut finder = Self {
            numbers: Vec::new(),
            dates: Vec::new(),
            names: Vec::new(),
            exempt_dates: question.today.iter().map(PartialDate::of).collect(),
            exempt_times: Vec::new(),
            parameters: Vec::new(),
            listed: listed_items(body),
        };
        let yesterday = question.today.and_then(|today| today.pred_opt());
        finder.exempt_dates.extend(yesterday.iter().map(PartialDate::of));
        for source in sources.iter().filter(|source| source.is_searched) {
            finder.add_source(source);
        }
        finder.add_question(question);
        finder
    }

    fn add_source(&mut self, source: &Source<'_>) {
        let place = |row: Option<usize>, column: Option<&str>, value: Option<Cell>| CellRef {
            result_id: source.id,
            handle: source.handle.to_owned(),
            row: row.map(|row| row as u64),
            column: column.map(str::to_owned),
            value,
        };
        for (at, row) in source.table.rows.iter().take(ROWS_SHOWN).enumerate() {
            for (cell, column) in row.iter().zip(&source.table.columns) {
                self.add_cell(cell, column, place(Some(at), Some(&column.name), Some(cell.clone())));
            }
        }
        self.listed.push(source.table.rows.len());
        let mut add = |value: f64, is_whole: bool, cell: CellRef| {
            self.numbers.push(Candidate { value, is_whole, cell });
        };
        add(source.table.rows.len() as f64, true, place(None, None, None));
        for (index, column) in source.table.columns.iter().enumerate() {
            let found = aggregates(&source.table.rows, index, column);
            let is_whole = column.kind == ColumnType::Integer;
            let least = found.min.as_ref().and_then(Cell::as_f64);
            let most = found.max.as_ref().and_then(Cell::as_f64);
            for value in [found.sum, least, most].into_iter().flatten().filter(|_| column.kind.is_numeric()) {
                add(value, is_whole, place(None, Some(&column.name), None));
            }
            if let Some(average) = found.avg {
                add(average, false, place(None, Some(&column.name), None));
            }
            add(found.distinct as f64, true, place(None, Some(&column.name), None));
            add(found.nulls as f64, true, place(None, Some(&column.name), None));
        }
    }

    fn add_cell(&mut self, cell: &Cell, column: &Column, place: CellRef) {
        match cell {
            Cell::Null | Cell::Bool(_) => {}
            Cell::Int(_) | Cell::Float(_) => {
                if let Some(value) = cell.as_f64() {
                    let is_whole = column.kind == ColumnType::Integer;
                    self.numbers.push(Candidate { value, is_whole, cell: place });
                }
            }
            Cell::Text(text) if column.kind == ColumnType::Decimal => {
                if let Some(value) = cell.as_f64() {
                    self.numbers.push(Candidate { value, is_whole: !text.contains('.'), cell: place });
                }
            }
            Cell::Text(text) => {
                if let Some(moment) = parse_moment(text).filter(|_| column.kind.is_temporal()) {
                    self.dates.push((
                        PartialDate::of(&moment.date()),
                        moment.format("%H:%M").to_string(),
                        place,
                    ));
                } else if text.len() <= 200 && text.contains(|c: char| c.is_ascii_digit()) {
                    self.names.push((text.clone(), place));
                }
            }
        }
    }

    fn add_question(&mut self, question: &Question<'_>) {
        let asked = numeral::scan(question.prompt);
        let stated: Vec<Numeral> = question.statements.iter().flat_map(|sql| numeral::scan(sql)).collect();
        for numeral in asked.iter().chain(&stated) {
            match &numeral.kind {
                Kind::Date(date) => self.exempt_dates.push(*date),
                Kind::Time(time) => self.exempt_times.push(time.clone()),
                _ => {}
            }
        }
        // A statement ends a period before a date (`< '2026-11-01'`); prose names the period's last day.
        let last_days = stated.iter().filter_map(|numeral| match &numeral.kind {
            Kind::Date(date) => date.day_before(),
            _ => None,
        });
        self.exempt_dates.extend(last_days);
        let value = |numeral: &Numeral| match &numeral.kind {
            Kind::Quantity(quantity) => Some(quantity.value),
            _ => None,
        };
        let stated: Vec<f64> = stated.iter().filter_map(value).collect();
        self.parameters =
            asked.iter().filter_map(value).filter(|asked| stated.iter().any(|s| same(*s, *asked))).collect();
    }

    /// Where a numeral of `prose` comes from.
    pub(super) fn find(&self, prose: &str, numeral: &Numeral) -> Found {
        if let Some(found) = self.quoted_name(prose, &numeral.range) {
            return found;
        }
        match &numeral.kind {
            Kind::ListMarker => Found::Exempt,
            Kind::Ordinal(value) if *value <= 10.0 => Found::Exempt,
            Kind::Ordinal(value) => self.number(&whole(*value), prose, numeral),
            Kind::Code => Found::Nowhere,
            Kind::Date(date) => self.date(*date),
            Kind::Time(time) => self.time(time),
            Kind::Quantity(quantity) => {
                if self.is_count_of_items(quantity, prose, numeral) || self.is_parameter(quantity) {
                    return Found::Exempt;
                }
                match self.number(quantity, prose, numeral) {
                    Found::Nowhere if quantity.is_year => Found::Exempt,
                    found => found,
                }
            }
        }
    }

    /// The cell whose whole text is quoted around the numeral.
    fn quoted_name(&self, prose: &str, range: &Range<usize>) -> Option<Found> {
        self.names.iter().find_map(|(name, place)| {
            let quoted =
                prose.match_indices(name.as_str()).map(|(at, _)| at..at + name.len()).find(|quoted| {
                    let is_whole_word = !prose[..quoted.start].ends_with(char::is_alphanumeric)
                        && !prose[quoted.end..].starts_with(char::is_alphanumeric);
                    is_whole_word && quoted.start <= range.start && quoted.end >= range.end
                })?;
            Some(Found::Named(place.clone(), quoted))
        })
    }

    fn date(&self, date: PartialDate) -> Found {
        if let Some((.., place)) = self.dates.iter().find(|(known, ..)| date.agrees_with(*known)) {
            return Found::In(place.clone());
        }
        if self.exempt_dates.iter().any(|known| date.agrees_with(*known)) {
            Found::Exempt
        } else {
            Found::Nowhere
        }
    }

    fn time(&self, time: &str) -> Found {
        if let Some((.., place)) = self.dates.iter().find(|(_, known, _)| known == time) {
            return Found::In(place.clone());
        }
        if let Some((_, place)) = self.names.iter().find(|(name, _)| name.starts_with(time)) {
            return Found::In(place.clone());
        }
        if self.exempt_times.iter().any(|known| known == time) { Found::Exempt } else { Found::Nowhere }
    }

    fn is_parameter(&self, quantity: &Quantity) -> bool {
        self.parameters.iter().any(|parameter| same(*parameter, quantity.value))
    }

    /// "top 5", "the first 3"; "these 4" and "the 4" where so many are listed.
    fn is_count_of_items(&self, quantity: &Quantity, prose: &str, numeral: &Numeral) -> bool {
        if !quantity.is_whole || quantity.value > 10.0 {
            return false;
        }
        let before = &prose[..numeral.range.start];
        let Some(word) = numeral::last_word(before.strip_suffix('-').unwrap_or(before)) else { return false };
        match word.to_lowercase().as_str() {
            "top" | "bottom" | "first" | "last" | "best" | "worst" | "past" | "previous" | "next" => true,
            "the" | "these" | "those" | "all" | "following" => {
                self.listed.iter().any(|count| same(*count as f64, quantity.value))
            }
            _ => false,
        }
    }

    /// The shown number that the quantity states: the nearest, and of equally near ones the first.
    fn number(&self, quantity: &Quantity, prose: &str, numeral: &Numeral) -> Found {
        let stance = Stance::before(&prose[..numeral.range.start]);
        let nearest = self
            .numbers
            .iter()
            .filter_map(|candidate| {
                distance(quantity, candidate, stance).map(|distance| (distance, candidate))
            })
            .min_by(|(one, _), (two, _)| one.total_cmp(two));
        nearest.map_or(Found::Nowhere, |(_, candidate)| Found::In(candidate.cell.clone()))
    }
}

fn whole(value: f64) -> Quantity {
    Quantity {
        value,
        place: 1.0,
        is_percent: false,
        is_signed: false,
        is_year: false,
        is_whole: true,
        other_scale: None,
    }
}

fn same(one: f64, two: f64) -> bool {
    (one - two).abs() <= 1e-9 * one.abs().max(two.abs())
}

/// How many entries the body's lists and tables have.
fn listed_items(body: &str) -> Vec<usize> {
    let mut counts = Vec::new();
    let mut run = 0;
    for line in body.lines().chain([""]) {
        let line = line.trim_start();
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let is_entry = line.starts_with("- ")
            || line.starts_with("* ")
            || (digits > 0 && line[digits..].starts_with([')', '.']))
            || line.starts_with('|');
        if is_entry {
            run += 1;
        } else if run > 0 {
            counts.push(run);
            if run > 2 {
                // A table's heading and rule are lines, not entries.
                counts.push(run - 2);
            }
            run = 0;
        }
    }
    counts
}

/// What the words before a quantity make of it.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one reading of the same words, and any may hold together"
)]
struct Stance {
    /// "about", "roughly": trailing zeros are rounding.
    is_about: bool,
    /// "over", "more than": the number is a floor.
    is_floor: bool,
    /// "nearly", "under": the number is a ceiling.
    is_ceiling: bool,
    /// "fell by", "down": the number states the size of something negative.
    is_decline: bool,
}

impl Stance {
    fn before(prose: &str) -> Self {
        let sentence = prose.rsplit(['.', ';', '\n', '!', '?']).next().unwrap_or_default().to_lowercase();
        let words: Vec<&str> = sentence
            .split(|c: char| !c.is_alphabetic() && c != '~' && c != '≈')
            .filter(|word| !word.is_empty())
            .collect();
        let near = &words[words.len().saturating_sub(3)..];
        let around = &words[words.len().saturating_sub(6)..];
        let has = |list: &[&str], among: &[&str]| among.iter().any(|word| list.contains(word));
        let starts = |list: &[&str]| around.iter().any(|word| list.iter().any(|stem| word.starts_with(stem)));
        Self {
            is_about: has(
                &["about", "around", "roughly", "approximately", "approx", "some", "circa", "~", "≈"],
                near,
            ) || prose.trim_end_matches(['$', '€', '£']).ends_with(['~', '≈']),
            is_floor: has(&["over", "above", "more", "exceeding", "least", "exceeds", "exceeded"], near),
            is_ceiling: has(&["nearly", "almost", "under", "less", "below", "fewer", "most"], near),
            is_decline: has(
                &[
                    "down", "fell", "fall", "falls", "fallen", "less", "fewer", "lower", "below", "under",
                    "behind", "minus", "negative", "lost", "loss", "losses", "losing", "early", "earlier",
                    "shrank", "shrunk",
                ],
                around,
            ) || starts(&["declin", "decreas", "drop", "reduc", "shrink"]),
        }
    }
}

/// How far a quantity is from a candidate, if it may state it.
fn distance(quantity: &Quantity, candidate: &Candidate, stance: Stance) -> Option<f64> {
    let readings = [Some(1.0), quantity.other_scale];
    let mut values = vec![candidate.value];
    if quantity.is_percent && !candidate.is_whole {
        values.push(candidate.value * 100.0);
    }
    if !quantity.is_signed && stance.is_decline {
        values.extend(values.clone().into_iter().map(|value: f64| -value));
    }
    let mut best: Option<f64> = None;
    for scale in readings.into_iter().flatten() {
        let stated = quantity.value * scale;
        let place = quantity.place * scale;
        for value in &values {
            if let Some(distance) = rounding_distance(stated, place, *value, stance) {
                best = Some(best.map_or(distance, |best| best.min(distance)));
            }
        }
    }
    best
}

/// The relative distance when `stated` is `value` rounded at `place`, or as loosely as the words before allow.
fn rounding_distance(stated: f64, place: f64, value: f64, stance: Stance) -> Option<f64> {
    if !stated.is_finite() || !value.is_finite() {
        return None;
    }
    // Wide enough for how numbers are stored, too narrow to pass over a unit of a whole number below a trillion.
    let slack = 1e-13 * stated.abs().max(value.abs()).max(place);
    let gap = (stated - value).abs();
    let relative = gap / value.abs().max(f64::MIN_POSITIVE);
    if gap <= place / 2.0 + slack {
        return Some(relative);
    }
    let loose = coarse_place(stated, place);
    let fits = (stance.is_about && gap <= loose / 2.0 + slack)
        || (stance.is_floor && value > stated && value < stated + loose)
        || (stance.is_ceiling && value < stated && value > stated - loose);
    fits.then_some(relative + 1.0)
}

/// The place of the last digit that is not zero: 1,000 for 337,000.
fn coarse_place(stated: f64, place: f64) -> f64 {
    let mut coarse = place;
    let magnitude = stated.abs();
    while coarse * 10.0 <= magnitude
        && ((magnitude / (coarse * 10.0)).round() * coarse * 10.0 - magnitude).abs() < coarse / 2.0
    {
        coarse *= 10.0;
    }
    coarse
}
