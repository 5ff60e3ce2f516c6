//! Colours that a spec names, replaced by the nearest hue of the theme: one look, safe for colour-blind readers.

/// What to write instead.
pub(crate) const HINT: &str = "Leave colours to the theme, or give one as #rrggbb or as one of: black, blue, brown, crimson, \
    gold, gray, green, grey, indigo, orange, pink, purple, red, steelblue, teal, white, yellow.";

/// Hues and greys of the theme (`js/src/theme.js`).
const HUES: [&str; 14] = [
    "#0b7285", "#f0a028", "#642fb3", "#15c19a", "#833748", "#bc88fa", "#674b16", "#7cae59", "#cc79c3",
    "#ba5e0b", "#1a1c1f", "#66696e", "#cfcfc9", "#ffffff",
];

const NAMED: [(&str, &str); 24] = [
    ("black", "#1a1c1f"),
    ("blue", "#0b7285"),
    ("brown", "#674b16"),
    ("coral", "#ba5e0b"),
    ("crimson", "#833748"),
    ("darkblue", "#0b7285"),
    ("darkgreen", "#15c19a"),
    ("darkorange", "#f0a028"),
    ("firebrick", "#833748"),
    ("gold", "#f0a028"),
    ("gray", "#66696e"),
    ("green", "#15c19a"),
    ("grey", "#66696e"),
    ("indigo", "#642fb3"),
    ("lightgray", "#cfcfc9"),
    ("lightgrey", "#cfcfc9"),
    ("orange", "#f0a028"),
    ("pink", "#cc79c3"),
    ("purple", "#642fb3"),
    ("red", "#ba5e0b"),
    ("steelblue", "#0b7285"),
    ("teal", "#0b7285"),
    ("white", "#ffffff"),
    ("yellow", "#f0a028"),
];

/// The theme's colour nearest to `text`; `None` where it is no colour that is known.
pub(crate) fn snap(text: &str) -> Option<&'static str> {
    let lower = text.trim().to_ascii_lowercase();
    if let Some((_, hue)) = NAMED.iter().find(|(name, _)| *name == lower) {
        return Some(hue);
    }
    let wanted = channels(&lower)?;
    HUES.into_iter().min_by_key(|hue| channels(hue).map_or(u32::MAX, |hue| distance(wanted, hue)))
}

fn channels(hex: &str) -> Option<[u32; 3]> {
    let digits = hex.strip_prefix('#')?;
    let wide: String = match digits.len() {
        3 => digits.chars().flat_map(|digit| [digit, digit]).collect(),
        6 => digits.to_owned(),
        _ => return None,
    };
    let number = u32::from_str_radix(&wide, 16).ok()?;
    Some([number >> 16, (number >> 8) & 255, number & 255])
}

/// How different two colours look: squared distance, weighted as the eye weighs red, green and blue.
fn distance(one: [u32; 3], other: [u32; 3]) -> u32 {
    let [red, green, blue] = [0, 1, 2].map(|channel| one[channel].abs_diff(other[channel]).pow(2));
    2 * red + 4 * green + 3 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_snap_to_the_nearest_hue() {
        assert_eq!(snap("#4c78a8"), Some("#0b7285"));
        assert_eq!(snap("RED"), Some("#ba5e0b"));
        assert_eq!(snap("#f00"), Some("#ba5e0b"));
        assert_eq!(snap("#000000"), Some("#1a1c1f"));
        assert_eq!(snap("url(#x)"), None);
        assert_eq!(snap("expression(1)"), None);
    }

    #[test]
    fn the_hues_are_those_of_the_theme() {
        let theme = include_str!("../../js/src/theme.js");
        for hue in HUES {
            assert!(theme.contains(hue), "{hue} is not in theme.js");
        }
    }
}
