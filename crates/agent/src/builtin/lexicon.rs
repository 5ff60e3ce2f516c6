//! General English that questions about data are made of. Nothing here knows any data set.

use crate::months::MONTHS;

/// Words that carry no content of their own in a question.
const STOP_WORDS: &str = "\
    a about across actually all also am among an and any are as at be been being broken but by can chart \
    could currently data did do does doing done each ever every find for from get give given go goes got \
    graph grouped had has have having her here his how i if in into is it its just let like list look \
    many may me might much my need now of off on one only or our out over per please plot present quite \
    really report respectively s see shall she should show so some split still such tell than that the \
    their them then there these they this those to too up us very want was we were what whats when where \
    which while who whose will with within would you your value values breakdown overview summary figure \
    figures number amongst between during until through throughout exactly know rows row records record \
    entries entry table ones following well overall altogether answer question compute calculate display \
    return dataset database bar line not non other same more less most both according based terms term \
    respect regard kind come came comes make makes made take takes took happen happened occur occurred \
    exist exists contain contains recorded observed measured belong belongs include includes included \
    use used using available send email week's time's hi hello thanks thank develop developed change \
    changed anything something everything looked perform performed went gone flown";

/// Whether a list of words, parted by blanks, holds one.
fn holds(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|known| known == word)
}

/// Whether a word is one of those that carry no content.
pub(super) fn is_stop_word(word: &str) -> bool {
    holds(STOP_WORDS, word)
}

/// Words that never name a table or a column, however the data calls them.
const FUNCTION_WORDS: &str = "\
    a about all also am an and any are as at be been by can could did do does each every for from had \
    has have having how i if in into is it its just many me more most much my no not of on only or our \
    per please s should show so some tell than that the their them then there these they this those to \
    us was we were what when where which who whose will with would you your give between during vs less";

/// Whether a word can only hold a sentence together.
pub(super) fn is_function_word(word: &str) -> bool {
    holds(FUNCTION_WORDS, word)
}

/// The value of a number written as a word.
pub(super) fn number_word(word: &str) -> Option<f64> {
    const WORDS: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    match word {
        "one" => None,
        "dozen" => Some(12.0),
        "twenty" => Some(20.0),
        "thirty" => Some(30.0),
        "fifty" => Some(50.0),
        "hundred" => Some(100.0),
        "thousand" => Some(1000.0),
        "million" => Some(1_000_000.0),
        _ => WORDS.iter().position(|known| *known == word).map(|value| value as f64),
    }
}

/// The singular of a noun with an irregular plural.
pub(super) fn irregular_singular(word: &str) -> Option<&'static str> {
    Some(match word {
        "people" | "persons" => "person",
        "men" => "man",
        "women" => "woman",
        "children" => "child",
        "feet" => "foot",
        "mice" => "mouse",
        "indices" => "index",
        "criteria" => "criterion",
        "analyses" => "analysis",
        "species" => "species",
        "series" => "series",
        "movies" => "movie",
        "cookies" => "cookie",
        "shoes" => "shoe",
        "lives" => "life",
        "status" | "statuses" => "status",
        "buses" => "bus",
        "news" => "news",
        _ => return None,
    })
}

/// Nouns that name the same thing in tables and in speech.
const SYNONYMS: &[&str] = &[
    "revenue sale turnover amount income proceeds takings earning spending total payment",
    "customer client buyer shopper",
    "employee staff worker",
    "doctor physician",
    "salary wage pay",
    "nation country",
    "signup registration subscription",
    "cost expense",
    "price cost",
    "film movie",
    "car vehicle automobile",
    "sex gender",
    "weight mass",
    "height altitude elevation",
    "quantity unit",
    "item product article",
    "category kind type",
    "date day",
    "rating score",
    "city town",
    "state province",
    "visitor guest",
    "purchase order",
    "session visit",
    "zip postcode postal",
    "length duration runtime millisecond second",
    "title name",
    "student pupil",
    "company firm",
    "phone telephone",
    "shop store",
    "death fatality",
    "discount rebate",
    "temperature temp",
    "zone tz",
    "destination to",
    "origin from",
];

/// Whether two words are listed as naming the same thing.
pub(super) fn are_synonyms(left: &str, right: &str) -> bool {
    let (left, right) = (super::words::singular(left), super::words::singular(right));
    SYNONYMS.iter().any(|group| holds(group, &left) && holds(group, &right))
}

/// How much a part of a column's name says: `delay` much, `id` little.
pub(super) fn part_weight(part: &str) -> f64 {
    match part {
        "id" | "key" | "code" | "no" | "nr" | "uuid" | "fk" | "pk" => 0.35,
        "total" | "avg" | "num" | "number" | "count" | "name" | "value" | "date" | "mean" | "sum" | "ts" => {
            0.45
        }
        "mm" | "cm" | "km" | "kg" | "g" | "m" | "usd" | "eur" | "gbp" | "pct" | "percent" | "sec"
        | "secs" | "seconds" | "ms" | "min" | "mins" | "minutes" | "hours" | "cents" | "lbs" | "lb"
        | "ft" | "mi" | "miles" | "mph" | "celsius" | "f" | "c" | "l" => 0.15,
        "is" | "has" | "was" | "the" | "of" | "at" | "on" | "in" | "by" | "tbl" | "table" | "dim"
        | "fact" | "stg" | "raw" | "view" | "data" | "info" => 0.1,
        _ => 1.0,
    }
}

/// Words for units, said after a number.
pub(super) fn is_unit(word: &str) -> bool {
    holds(UNITS, &super::words::singular(word))
}

/// Nouns for quantities that are told in a unit: altitudes in feet, prices in dollars.
pub(super) fn unit_attributes(unit: &str) -> &'static [&'static str] {
    match super::words::singular(unit).as_str() {
        "foot" | "ft" | "meter" | "metre" | "m" => {
            &["altitude", "elevation", "height", "depth", "length", "distance"]
        }
        "mile" | "km" | "kilometer" | "kilometre" => &["distance", "length"],
        "cm" | "mm" | "inch" => &["length", "height", "width", "depth"],
        "dollar" | "usd" | "euro" | "eur" | "gbp" | "cent" => {
            &["price", "amount", "revenue", "cost", "fare", "fee", "salary"]
        }
        "kg" | "kilogram" | "g" | "gram" | "ton" | "tonne" | "lb" | "pound" => &["weight", "mass"],
        "second" | "sec" | "minute" | "min" | "hour" => &["duration", "length", "runtime", "time"],
        "year" => &["age"],
        "degree" | "celsius" | "fahrenheit" => &["temperature"],
        "mph" | "kph" | "knot" => &["speed"],
        "liter" | "litre" => &["volume", "capacity"],
        "point" => &["score", "points"],
        "carat" => &["carat"],
        _ => &[],
    }
}

/// Nouns that say no more than the name before them: "engine type", "product name".
pub(super) fn is_generic_noun(word: &str) -> bool {
    matches!(super::words::singular(word).as_str(), "type" | "kind" | "name" | "value" | "code" | "class")
}

/// How a superlative or a comparative ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The greatest first.
    Most,
    /// The least first.
    Least,
}

impl Direction {
    /// The other way round.
    pub(super) const fn reversed(self) -> Self {
        match self {
            Self::Most => Self::Least,
            Self::Least => Self::Most,
        }
    }
}

/// What an adjective of degree speaks of: "longest" of lengths, distances, durations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Degree {
    /// Whether the superlative is the greatest or the least of it.
    pub direction: Direction,
    /// Nouns that name such a quantity, likeliest first; empty for "most", "highest" and the like that fit any.
    pub attributes: &'static [&'static str],
    /// Nouns for which the order is turned round: the oldest has the earliest year.
    pub reversed: &'static [&'static str],
}

const SIZE: &[&str] = &[
    "size",
    "area",
    "population",
    "capacity",
    "amount",
    "total",
    "volume",
    "quantity",
    "seats",
    "employees",
    "mass",
    "weight",
];

const NONE: &[&str] = &[];
const DATES: &[&str] = &["year", "birth", "born", "founded", "built", "created", "date", "since", "opened"];
/// Adjectives in their plain form: from which end, of what, and of what the other way round.
const ADJECTIVES: &[(&str, Direction, &[&str], &[&str])] = &[
    ("high", Direction::Most, &["altitude", "elevation", "height"], NONE),
    ("low", Direction::Least, &["altitude", "elevation", "height"], NONE),
    ("tall", Direction::Most, &["height", "tallness"], NONE),
    ("long", Direction::Most, &["length", "distance", "duration", "runtime", "time"], NONE),
    ("short", Direction::Least, &["length", "distance", "duration", "height", "runtime", "time"], NONE),
    ("far", Direction::Most, &["distance"], NONE),
    ("large", Direction::Most, SIZE, NONE),
    ("big", Direction::Most, SIZE, NONE),
    ("small", Direction::Least, SIZE, NONE),
    ("heavy", Direction::Most, &["weight", "mass"], NONE),
    ("light", Direction::Least, &["weight", "mass"], NONE),
    ("old", Direction::Most, &["age"], DATES),
    ("young", Direction::Least, &["age"], DATES),
    ("new", Direction::Least, &["age"], DATES),
    ("fast", Direction::Most, &["speed", "velocity", "pace"], &["duration", "time"]),
    ("slow", Direction::Least, &["speed", "velocity", "pace"], &["duration", "time"]),
    ("cheap", Direction::Least, &["price", "cost", "fee", "fare", "amount"], NONE),
    ("pricy", Direction::Most, &["price", "cost", "fee", "fare", "amount"], NONE),
    ("warm", Direction::Most, &["temperature"], NONE),
    ("hot", Direction::Most, &["temperature"], NONE),
    ("cold", Direction::Least, &["temperature"], NONE),
    ("windy", Direction::Most, &["wind", "gust"], NONE),
    ("wet", Direction::Most, &["precipitation", "rain", "humidity"], NONE),
    ("late", Direction::Most, &["delay"], NONE),
    ("deep", Direction::Most, &["depth"], NONE),
    ("wide", Direction::Most, &["width"], NONE),
    ("rich", Direction::Most, &["income", "wealth", "gdp"], NONE),
    ("poor", Direction::Least, &["income", "wealth", "gdp"], NONE),
    ("strong", Direction::Most, &["strength", "power", "magnitude"], NONE),
    ("thick", Direction::Most, &["thickness", "depth"], NONE),
    ("great", Direction::Most, NONE, NONE),
];

/// The meaning of an adjective of degree, given in any form: "long", "longer", "longest".
pub(super) fn degree(word: &str) -> Option<Degree> {
    let forms = |base: &str| {
        let root = base.strip_suffix('e').unwrap_or(base);
        let doubled = format!("{root}{}", root.chars().next_back().unwrap_or_default());
        let softened = base.strip_suffix('y').map_or_else(String::new, |root| format!("{root}i"));
        ["est", "er"].iter().any(|ending| {
            word.strip_suffix(ending).is_some_and(|stem| {
                stem == root || stem == doubled || (!softened.is_empty() && stem == softened)
            })
        })
    };
    let generic = |direction| Some(Degree { direction, attributes: NONE, reversed: NONE });
    match word {
        "most" | "maximum" | "max" | "worst" | "best" | "top" | "greatest" | "peak" | "maximal" | "more" => {
            return generic(Direction::Most);
        }
        "least" | "fewest" | "minimum" | "min" | "minimal" | "bottom" | "fewer" | "less" => {
            return generic(Direction::Least);
        }
        "furthest" | "farthest" => {
            return Some(Degree { direction: Direction::Most, attributes: &["distance"], reversed: NONE });
        }
        "earliest" => return Some(Degree { direction: Direction::Least, attributes: DATES, reversed: NONE }),
        "latest" => return Some(Degree { direction: Direction::Most, attributes: DATES, reversed: NONE }),
        _ => {}
    }
    ADJECTIVES.iter().find(|(base, ..)| forms(base)).map(|(_, direction, attributes, reversed)| Degree {
        direction: *direction,
        attributes,
        reversed,
    })
}

/// The meaning of an adjective that takes "most" or "least" before it: "most expensive".
pub(super) fn long_adjective(word: &str) -> Option<&'static [&'static str]> {
    Some(match word {
        "expensive" | "costly" => &["price", "cost", "fee", "fare", "amount"],
        "valuable" => &["value", "amount", "revenue", "price"],
        "populous" | "populated" => &["population"],
        "profitable" => &["profit", "margin", "income"],
        "powerful" => &["power", "horsepower"],
        "recent" => &["date", "time", "created", "at"],
        "humid" => &["humidity"],
        "delayed" => &["delay"],
        _ => return None,
    })
}

/// Whether "most …" asks for the value that occurs most often.
pub(super) fn means_frequent(word: &str) -> bool {
    matches!(
        word,
        "common" | "frequent" | "popular" | "busy" | "active" | "often" | "frequently" | "commonly"
    )
}

/// Whether adding up values of a column of such a name makes sense, so that "most revenue" is a sum.
pub(super) fn is_additive(part: &str) -> bool {
    holds(AMOUNTS, &super::words::singular(part))
}

/// The days of the week, Monday first.
pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// 1 to 12 for the name of a month or its first three letters. "may" and "mar" only count where `is_named`.
pub(super) fn month_number(lower: &str, is_named: bool) -> Option<u32> {
    if matches!(lower, "may" | "march") && !is_named {
        return None;
    }
    let index = MONTHS.iter().position(|month| {
        let month = month.to_lowercase();
        lower == month || (is_named && (lower == &month[..3] || (lower == "sept" && month == "september")))
    })?;
    Some(index as u32 + 1)
}

/// Verbs and nouns that tell the end of a movement from its start, for a table with two columns to one other table.
pub(super) fn names_target(part: &str) -> bool {
    ["dest", "to", "target", "arr", "receiver", "recipient", "end", "dst"]
        .iter()
        .any(|known| part == *known || (known.len() > 3 && part.starts_with(known)))
}

/// As [`names_target`], for the start.
pub(super) fn names_source(part: &str) -> bool {
    ["orig", "origin", "from", "source", "src", "dep", "departure", "sender", "start"]
        .iter()
        .any(|known| part == *known || (known.len() > 3 && part.starts_with(known)))
}

/// Verbs and the like that add nothing to what is asked: "operate", "were sold".
pub(super) fn is_neutral(word: &str) -> bool {
    let lower = word.to_lowercase();
    lower.chars().count() <= 2 || NEUTRAL.split_whitespace().any(|known| is_form_of(&lower, known))
}

/// Whether a word is a verb or one of its regular forms.
fn is_form_of(word: &str, verb: &str) -> bool {
    let root = verb.strip_suffix('e').unwrap_or(verb);
    let Some(ending) = word.strip_prefix(root) else {
        return verb.strip_suffix('y').is_some_and(|stem| {
            word.strip_prefix(stem).is_some_and(|ending| matches!(ending, "ied" | "ies"))
        });
    };
    let last = root.chars().next_back();
    let single = last.and_then(|last| ending.strip_prefix(last)).unwrap_or(ending);
    word == verb
        || [ending, single].iter().any(|ending| matches!(*ending, "s" | "es" | "ed" | "ing" | "er" | "ers"))
}

const NEUTRAL: &str = "\
    operate fly flew left leave depart arrive travel place buy bought sell sold live work pay rank give \
    given serve held hold belong appear went visit receive earn produce weigh last spend spent locate \
    situate found register join start begin run ran own order record measure turn think build built \
    manufacture issue release publish create collect sample observe perform conduct write written wrote \
    play watch rent borrow treat admit hire employ submit launch open carry carried reach see seen say \
    said bring brought add become became keep kept call name get come originate generate sign signed \
    land drive drove ship score win won lose lost study studied teach taught enroll attend lead led stay \
    stand stood sit grow fall fell rise rose cost total person people time times today data individual \
    first second ever since thing amount size level rate across overall currently usually typically \
    actually roughly approximately about least always never please kindly respective single particular \
    specific certain possible entire whole full complete individually separately together altogether \
    before after during along around inside outside near because though however whether either neither \
    again once twice yet ago hand way case part end side set group list sort ascending descending \
    alphabetically chronologically sorted ordered ranked";

/// Units, in the singular.
const UNITS: &str = "\
    minute min hour second sec day week month year mile km kilometer kilometre meter metre m cm mm foot \
    ft inch dollar usd euro eur pound gbp lb percent degree celsius fahrenheit gram g kg kilogram ton \
    tonne mph kph knot liter litre byte kb mb gb point cent carat";

/// Amounts, in the singular.
const AMOUNTS: &str = "\
    revenue sale amount total quantity qty profit spend spending income volume unit turnover gmv amt \
    cost expense earning payment paid budget click impression view visit download death case goal point \
    count production export import precip precipitation rainfall hours discount tax order signup fee \
    donation win medal";
