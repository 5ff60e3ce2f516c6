//! SVG into PNG, with the embedded fonts and nothing from outside.

use std::sync::{Arc, LazyLock};

use resvg::{
    tiny_skia::{Color, Pixmap, Transform},
    usvg::{ImageHrefResolver, Options, Tree, fontdb},
};

use crate::{error::Error, font};

/// Pixels of a PNG to one of the chart, for dense screens.
const SCALE: f32 = 2.0;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    for (_, bytes) in font::INTER {
        fonts.load_font_source(fontdb::Source::Binary(Arc::new(bytes)));
    }
    fonts.set_sans_serif_family("Inter");
    Arc::new(fonts)
});

/// Inter, and what is installed here for the scripts that Inter lacks.
static FONTS_OF_THIS_MACHINE: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::clone(&FONTS);
    fonts.load_system_fonts();
    Arc::new(fonts)
});

/// Draws an SVG at two pixels to one, on opaque white.
pub(crate) fn png(svg: &str) -> Result<Vec<u8>, Error> {
    // Other fonts only where they are needed: otherwise a chart is the same bytes on every machine.
    let fonts = if font::covers(svg) { &FONTS } else { &FONTS_OF_THIS_MACHINE };
    let options = Options {
        font_family: "Inter".to_owned(),
        fontdb: Arc::clone(fonts),
        // By default usvg reads local files that an image names.
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|failure| failed(&failure))?;
    let size = tree.size();
    let width = (size.width() * SCALE).ceil() as u32;
    let height = (size.height() * SCALE).ceil() as u32;
    let mut pixels = Pixmap::new(width, height).ok_or_else(|| failed(&"its size is out of bounds"))?;
    pixels.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|failure| failed(&failure))
}

fn failed(failure: &dyn std::fmt::Display) -> Error {
    Error::Engine { message: failure.to_string() }
}

#[cfg(test)]
mod tests {
    use resvg::usvg::Node;

    use super::*;

    fn drawn_width(weight: u16, text: &str) -> f64 {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"40\"><text y=\"20\" font-family=\"Inter\" \
             font-size=\"20\" font-weight=\"{weight}\">{text}</text></svg>"
        );
        let options = Options { fontdb: Arc::clone(&FONTS), ..Options::default() };
        let tree = Tree::from_str(&svg, &options).expect("an SVG");
        let Some(Node::Text(text)) = tree.root().children().first() else {
            panic!("no text was drawn");
        };
        f64::from(text.bounding_box().width())
    }

    #[test]
    fn text_is_as_wide_as_it_is_measured() {
        for weight in [400, 500, 600] {
            for text in [
                "United Air Lines Inc.",
                "58,665",
                "Größe der Übersicht",
                "Выручка за месяц",
                "Δ έσοδα",
                "WWW iii",
            ] {
                let measured = font::width_px(f64::from(weight), 20.0, text);
                let drawn = drawn_width(weight, text);
                let error = (measured - drawn).abs() / drawn;
                assert!(error < 0.04, "{text} at {weight}: measured {measured:.1}, drawn {drawn:.1}");
            }
        }
    }

    #[test]
    fn local_files_stay_where_they_are() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"10\" \
                   height=\"10\"><image xlink:href=\"/etc/hostname\" width=\"10\" height=\"10\"/></svg>";
        let blank =
            png("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" height=\"10\"/>").expect("a picture");
        assert_eq!(png(svg).expect("a picture"), blank);
    }
}
