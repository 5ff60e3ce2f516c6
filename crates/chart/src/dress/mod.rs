//! Dressing: what a spec leaves open, filled in so that the chart reads well at 600 pixels.

mod axis;
mod channel;
pub(crate) mod format;
mod legend;
mod order;
mod rotate;

use serde_json::{Map, Value, json};

use self::{channel::Channels, format::default};
use crate::{
    Options,
    engine::Layout,
    error::Error,
    field::Fields,
    font,
    spec::Checked,
    stats::{Stats, widest},
};

const TITLE_SIZE: f64 = 15.0;
const SUBTITLE_SIZE: f64 = 12.0;
const LEGEND_SIZE: f64 = 11.5;
const PLOT_HEIGHT: f64 = 300.0;
const PIE_HEIGHT: f64 = 280.0;
/// A colour of the theme (`js/src/theme.js`).
const MUTED: &str = "#66696e";
const CELL_HEIGHT: u32 = 150;
const HEIGHTS: std::ops::RangeInclusive<f64> = 180.0..=1400.0;
/// Legend symbol, its gap to the label, and the gap to the next column.
const LEGEND_ENTRY: f64 = 32.0;

/// A spec ready for compiling.
#[derive(Debug)]
pub(crate) struct Dressed {
    /// Vega-Lite without data.
    pub(crate) spec: Value,
    pub(crate) layout: Layout,
    pub(crate) title: String,
}

/// What the views of a chart have found out on the way.
#[derive(Debug, Default)]
struct Findings {
    /// The title of the vertical measure; it stands above the plot, where it needs no turning of the head.
    y_title: Option<String>,
    /// The most categories on the vertical axis.
    y_categories: usize,
    /// Bars to a category.
    y_offsets: usize,
    /// Labels of the legend above the plot.
    legend: Vec<String>,
    /// Whether a legend above the plot shows a ramp of colours.
    has_ramp: bool,
}

/// Fills in what a checked spec leaves open.
pub(crate) fn dress<'a>(checked: Checked<'a>, options: &Options) -> Result<(Dressed, Fields<'a>), Error> {
    let Checked { mut spec, fields, title, subtitle, height } = checked;
    let stats = Stats { fields: &fields, zone: options.timezone };
    rotate::lay_down_long_labels(&mut spec, &stats);
    rotate::stack_rows(&mut spec);
    let columns = cells_side_by_side(&spec, &stats);
    let mut findings = Findings::default();
    let mut channels = Channels { stats: &stats, findings: &mut findings, width: options.width, columns };
    if let Some(facet) = spec.get_mut("facet").and_then(Value::as_object_mut) {
        channels.facet(facet);
    }
    let is_independent = spec.get("resolve").is_some_and(|resolve| resolve["scale"]["y"] == "independent");
    let view = match spec.get_mut("spec") {
        Some(Value::Object(cell)) => cell,
        _ => &mut spec,
    };
    channels.view(view, &Map::new(), is_independent)?;

    let title = if options.title.trim().is_empty() { title } else { options.title.trim().to_owned() };
    let text_width = f64::from(options.width) - 40.0;
    let title_lines = font::wrap(600.0, TITLE_SIZE, text_width, &title);
    // A title that already names the measure says it once.
    let measure =
        findings.y_title.clone().filter(|measure| !title.to_lowercase().contains(&measure.to_lowercase()));
    let subtitle: Vec<String> =
        [Some(subtitle), measure].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let subtitle_lines = font::wrap(400.0, SUBTITLE_SIZE, text_width, &subtitle.join(" · "));
    let mut head = 0.0;
    if !title_lines.is_empty() || !subtitle_lines.is_empty() {
        head = 14.0 + 20.0 * title_lines.len() as f64 + 16.0 * subtitle_lines.len() as f64;
        let mut heading = json!({"text": title_lines});
        if !subtitle_lines.is_empty() {
            heading["subtitle"] = json!(subtitle_lines);
        }
        spec.insert("title".to_owned(), heading);
    }
    if !findings.legend.is_empty() {
        let entry = widest(&findings.legend, LEGEND_SIZE).min(180.0) + LEGEND_ENTRY;
        let in_a_row = ((f64::from(options.width) - 80.0) / entry).floor().max(1.0);
        head += 10.0 + 18.0 * (findings.legend.len() as f64 / in_a_row).ceil();
    }
    if findings.has_ramp {
        head += 46.0;
    }
    let height = match columns {
        Some(_) => CELL_HEIGHT,
        None => picture_height(&spec, &findings, height, head),
    };
    let layout = Layout { width: options.width, height, columns };
    Ok((Dressed { spec: Value::Object(spec), layout, title }, fields))
}

fn picture_height(spec: &Map<String, Value>, findings: &Findings, asked: Option<f64>, head: f64) -> u32 {
    let is_pie = spec.get("mark").is_some_and(|mark| mark["type"] == "arc");
    let plot = match (findings.y_categories, asked) {
        _ if is_pie => PIE_HEIGHT,
        (0, Some(asked)) => asked,
        (0, None) => PLOT_HEIGHT,
        (categories, _) => {
            let bars = findings.y_offsets.max(1);
            let band = if bars > 1 { 13.0 * bars as f64 + 6.0 } else { 24.0 };
            categories as f64 * band + 60.0
        }
    };
    (plot + head).clamp(*HEIGHTS.start(), *HEIGHTS.end()).round() as u32
}

/// How many cells of a faceted chart stand side by side; `None` for a single plot.
fn cells_side_by_side(spec: &Map<String, Value>, stats: &Stats<'_, '_>) -> Option<usize> {
    let count = |definition: &Value| {
        let key = definition["field"].as_str()?;
        stats
            .categories(key)
            .map(|categories| categories.len())
            .or_else(|| stats.times(key).map(|times| times.len()))
    };
    let wrapped = |definition: &Value, asked: Option<&Value>| {
        let cells = count(definition).unwrap_or(3).max(1);
        let natural = if cells == 2 || cells == 4 { 2 } else { 3 };
        asked.and_then(Value::as_u64).map_or(natural, |asked| asked as usize).min(cells)
    };
    if let Some(facet) = spec.get("facet") {
        if facet.get("field").is_some() {
            return Some(wrapped(facet, spec.get("columns")));
        }
        return Some(facet.get("column").and_then(count).unwrap_or(1));
    }
    let encoding = spec.get("encoding")?;
    if let Some(facet) = encoding.get("facet") {
        return Some(wrapped(facet, facet.get("columns")));
    }
    let column = encoding.get("column").or_else(|| encoding.get("row"))?;
    Some(if encoding.get("column").is_some() { count(column).unwrap_or(1) } else { 1 })
}

/// A guide (axis, legend) of a definition, for filling in; `None` where the spec wants none.
fn guide<'a>(definition: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    default(definition, name, json!({}));
    definition.get_mut(name).and_then(Value::as_object_mut)
}
