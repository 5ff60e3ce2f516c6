//! The fonts that charts are drawn with, and how wide text is in them.

use std::sync::LazyLock;

use ttf_parser::Face;

/// Inter by weight, from the npm package `@expo-google-fonts/inter` (SIL Open Font License, `fonts/OFL.txt`).
pub(crate) const INTER: [(u16, &[u8]); 3] = [
    (400, include_bytes!("../fonts/Inter_400Regular.ttf")),
    (500, include_bytes!("../fonts/Inter_500Medium.ttf")),
    (600, include_bytes!("../fonts/Inter_600SemiBold.ttf")),
];

/// What a character outside Inter takes, in ems: East Asian glyphs and emoji are square.
const FOREIGN_EMS: f64 = 1.0;

static FACES: LazyLock<Vec<(u16, Face<'static>)>> = LazyLock::new(|| {
    INTER
        .iter()
        .map(|(weight, bytes)| (*weight, Face::parse(bytes, 0).expect("the embedded fonts are sound")))
        .collect()
});

fn face(weight: f64) -> &'static Face<'static> {
    let heavy_enough = FACES.iter().find(|(of_face, _)| f64::from(*of_face) + 50.0 > weight);
    &heavy_enough.unwrap_or(&FACES[FACES.len() - 1]).1
}

/// Width of a text of one line, in ems.
pub(crate) fn width_ems(weight: f64, text: &str) -> f64 {
    let face = face(weight);
    let units: f64 = text
        .chars()
        .map(|character| {
            let glyph = face.glyph_index(character);
            let advance = glyph.and_then(|glyph| face.glyph_hor_advance(glyph));
            advance.map_or(FOREIGN_EMS * f64::from(face.units_per_em()), f64::from)
        })
        .sum();
    units / f64::from(face.units_per_em())
}

/// Width of a text of one line at a font size, in pixels.
pub(crate) fn width_px(weight: f64, size: f64, text: &str) -> f64 {
    width_ems(weight, text) * size
}

/// Whether Inter has a glyph for each character.
pub(crate) fn covers(text: &str) -> bool {
    let face = &FACES[0].1;
    text.chars().all(|character| character.is_control() || face.glyph_index(character).is_some())
}

/// Breaks a text into lines of at most `limit` pixels; a longer word keeps its line to itself.
pub(crate) fn wrap(weight: f64, size: f64, limit: f64, text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let extended = lines.last().map(|line| format!("{line} {word}"));
        match (extended, lines.last_mut()) {
            (Some(longer), Some(line)) if width_px(weight, size, &longer) <= limit => *line = longer,
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
