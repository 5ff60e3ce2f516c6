//! Charts: a Vega-Lite spec and the rows of a result into Vega, SVG and PNG, in process.
//!
//! [`prepare`] checks a spec against the subset that is allowed, binds rows to it, applies the one theme and compiles it to
//! Vega. The page draws that Vega; [`render`] draws the same Vega to SVG and PNG for messages. Vega runs in QuickJS, in a
//! fresh engine for each call, with no `eval`, a time limit and a memory cap; nothing is loaded from disk or network.
//!
//! Both are CPU work of 0.1 to 0.5 s: async code calls them through a [`Pool`].

mod alt;
mod bind;
mod dress;
mod engine;
mod error;
mod field;
mod font;
mod pool;
mod raster;
mod spec;
mod stats;
mod time;

use domain::table::Table;
pub use error::Error;
pub use pool::Pool;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    engine::{Drawn, Limits},
    field::Fields,
    stats::Stats,
};

/// The most rows that a chart may bind.
pub const MAX_ROWS: usize = 5_000;

/// The width of a chart in messages, in CSS pixels.
pub const DEFAULT_WIDTH: u32 = 600;
const WIDTHS: std::ops::RangeInclusive<u32> = 320..=1200;

/// What a spec does not say itself.
#[derive(Clone, Debug)]
pub struct Options {
    /// The title drawn above the chart; the spec's own title stands where this is empty.
    pub title: String,
    /// Width of the whole picture, in CSS pixels: 320 to 1,200.
    pub width: u32,
    /// The zone whose wall time shows instants.
    pub timezone: chrono_tz::Tz,
}

impl Default for Options {
    fn default() -> Self {
        Self { title: String::new(), width: DEFAULT_WIDTH, timezone: chrono_tz::Tz::UTC }
    }
}

/// A chart that is checked, bound to its rows, themed, compiled and tried once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    /// Vega with the rows in it: what the page and [`render`] draw.
    pub vega: Value,
    /// The Vega-Lite that it was compiled from, as dressed by code, without rows.
    pub vega_lite: Value,
    /// What the chart shows, in words: its type, axes, number of points and extremes.
    pub alt: String,
    /// Width of the whole picture, in CSS pixels.
    pub width: u32,
    /// Height of the whole picture, in CSS pixels.
    pub height: u32,
    /// The title drawn above the chart.
    pub title: String,
}

/// A drawn chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The drawing; its text refers to the font Inter.
    pub svg: String,
    /// The drawing at two pixels to a CSS pixel, on opaque white.
    pub png: Vec<u8>,
}

/// Checks `spec` (Vega-Lite without data) and binds the rows of `table` to it.
///
/// Fails with [`Error::Spec`] where the spec leaves the allowed subset or does not suit the columns: its message and hint
/// tell a model how to mend it.
pub fn prepare(spec: &Value, table: &Table, options: &Options) -> Result<Prepared, Error> {
    if table.rows.is_empty() {
        return Err(Error::NoRows);
    }
    if table.rows.len() > MAX_ROWS {
        return Err(Error::TooManyRows { rows: table.rows.len() });
    }
    let width = options.width.clamp(*WIDTHS.start(), *WIDTHS.end());
    let options = Options { width, ..options.clone() };
    let checked = spec::check(spec, Fields::new(table))?;
    let (dressed, fields) = dress::dress(checked, &options)?;
    let alt =
        alt::describe(&dressed.spec, &dressed.title, &Stats { fields: &fields, zone: options.timezone });
    let mut bound = dressed.spec.clone();
    bound["data"] = bind::bind(&fields, options.timezone);
    let compiled = engine::prepare(&bound, dressed.layout, Limits::default())?;
    check_marks(&compiled.drawn)?;
    Ok(Prepared {
        vega: compiled.vega,
        vega_lite: dressed.spec,
        alt,
        width: compiled.drawn.width,
        height: compiled.drawn.height,
        title: dressed.title,
    })
}

/// Draws a prepared chart.
pub fn render(prepared: &Prepared) -> Result<Rendered, Error> {
    render_vega(&prepared.vega)
}

/// Draws the `vega` of a prepared chart that was stored.
pub fn render_vega(vega: &Value) -> Result<Rendered, Error> {
    let drawn = engine::draw(vega, Limits::default())?;
    check_marks(&drawn)?;
    let png = raster::png(&drawn.svg)?;
    Ok(Rendered { svg: drawn.svg, png })
}

/// Vega draws axes alone where it met trouble with the data.
fn check_marks(drawn: &Drawn) -> Result<(), Error> {
    if drawn.marks > 0 {
        return Ok(());
    }
    Err(Error::Empty { message: "no row gave a mark".to_owned() })
}
