//! Cells of a result as a reader likes to see them.

use domain::table::{Cell, Column, ColumnType};

use super::inert::{clip, inert_line};

/// The longest text of a cell, in characters.
const CELL_MAX: usize = 60;

/// How the cells of one column are written.
pub(crate) struct ColumnFormat {
    kind: ColumnType,
    decimals: usize,
    groups: bool,
}

impl ColumnFormat {
    /// The format that suits all cells of a column that are shown.
    pub(crate) fn of<'a>(column: &Column, cells: impl Iterator<Item = &'a Cell>) -> Self {
        let decimals = match column.kind {
            ColumnType::Float | ColumnType::Decimal => {
                cells.filter_map(Cell::as_f64).map(decimals_needed).max().unwrap_or(0)
            }
            _ => 0,
        };
        Self { kind: column.kind, decimals, groups: !is_label(&column.name) }
    }

    /// A cell in words: numbers grouped by thousands, rounded to as many decimals as the column needs (at most two, or
    /// what a number below one needs for two significant digits); NULL is a dash.
    pub(crate) fn text(&self, cell: &Cell) -> String {
        let text = match (cell, self.kind) {
            (Cell::Null, _) => "–".to_owned(),
            (Cell::Bool(true), _) => "yes".to_owned(),
            (Cell::Bool(false), _) => "no".to_owned(),
            (Cell::Int(value), _) => self.grouped(&value.to_string()),
            (Cell::Float(value), _) => self.grouped(&format!("{value:.*}", self.decimals)),
            (Cell::Text(text), ColumnType::Decimal) => match cell.as_f64() {
                // A double holds 15 digits; longer decimals are shown as they are.
                Some(value) if text.len() <= 15 => self.grouped(&format!("{value:.*}", self.decimals)),
                _ => self.grouped(text),
            },
            (Cell::Text(text), ColumnType::Timestamp | ColumnType::TimestampTz) => readable_time(text),
            (Cell::Text(text), _) => text.clone(),
        };
        clip(&inert_line(&text), CELL_MAX)
    }

    fn grouped(&self, number: &str) -> String {
        if !self.groups {
            return number.to_owned();
        }
        let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("−", digits));
        let (whole, fraction) =
            digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
        if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
            return number.to_owned();
        }
        let mut grouped = String::from(sign);
        for (position, digit) in whole.chars().enumerate() {
            if position > 0 && (whole.len() - position).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        if let Some(fraction) = fraction {
            grouped.push('.');
            grouped.push_str(fraction);
        }
        grouped
    }
}

/// Years and keys are numbers by type only: `2013`, not `2,013`.
fn is_label(column_name: &str) -> bool {
    let name = column_name.to_ascii_lowercase();
    name.split(|character: char| !character.is_ascii_alphanumeric())
        .next_back()
        .is_some_and(|word| matches!(word, "id" | "year" | "code" | "zip" | "key" | "number" | "no"))
}

/// Decimals that show `value` to a hundredth, or to two significant digits where it is smaller.
fn decimals_needed(value: f64) -> usize {
    let size = value.abs();
    if size > 0.0 && size < 0.1 {
        return ((-size.log10()).ceil() as usize + 1).min(6);
    }
    let hundredths = (size * 100.0).round();
    if hundredths % 100.0 == 0.0 {
        0
    } else if hundredths % 10.0 == 0.0 {
        1
    } else {
        2
    }
}

/// `2026-11-21T14:05:00Z` as `2026-11-21 14:05 UTC`; seconds only where they say something.
fn readable_time(text: &str) -> String {
    let (wall, zone) = text.strip_suffix('Z').map_or((text, ""), |wall| (wall, " UTC"));
    let wall = wall.replacen('T', " ", 1);
    let wall = wall
        .strip_suffix(" 00:00:00")
        .filter(|_| zone.is_empty())
        .or(wall.strip_suffix(":00"))
        .unwrap_or(&wall);
    format!("{wall}{zone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column_of(name: &str, kind: ColumnType, cells: &[Cell]) -> Vec<String> {
        let format = ColumnFormat::of(&Column::new(name, kind), cells.iter());
        cells.iter().map(|cell| format.text(cell)).collect()
    }

    #[test]
    fn numbers_are_grouped_unless_they_are_labels() {
        let cells = [Cell::Int(58_665), Cell::Int(-1_234_567), Cell::Int(999), Cell::Null];
        assert_eq!(column_of("flights", ColumnType::Integer, &cells), ["58,665", "−1,234,567", "999", "–"]);
        assert_eq!(column_of("year", ColumnType::Integer, &[Cell::Int(2013)]), ["2013"]);
        assert_eq!(column_of("carrier_id", ColumnType::Integer, &[Cell::Int(20_130)]), ["20130"]);
    }

    #[test]
    fn a_column_shares_its_decimals() {
        let cells = [Cell::Float(12.5), Cell::Float(7.0), Cell::Float(1234.567)];
        assert_eq!(column_of("delay", ColumnType::Float, &cells), ["12.50", "7.00", "1,234.57"]);
        assert_eq!(column_of("share", ColumnType::Float, &[Cell::Float(0.0123)]), ["0.012"]);
        let exact = [Cell::Text("12.50".into()), Cell::Text("123456789012345678.12".into())];
        assert_eq!(column_of("sum", ColumnType::Decimal, &exact), ["12.50", "123,456,789,012,345,678.12"]);
    }

    #[test]
    fn times_are_readable_and_texts_short() {
        let times = [Cell::Text("2026-11-21T14:05:00Z".into()), Cell::Text("2026-11-21T00:00:00Z".into())];
        assert_eq!(
            column_of("at", ColumnType::TimestampTz, &times),
            ["2026-11-21 14:05 UTC", "2026-11-21 00:00 UTC"]
        );
        let wall = [Cell::Text("2026-11-21T00:00:00".into()), Cell::Text("2026-11-21T00:00:09".into())];
        assert_eq!(column_of("at", ColumnType::Timestamp, &wall), ["2026-11-21", "2026-11-21 00:00:09"]);
        let long = column_of("note", ColumnType::Text, &[Cell::Text("x\r\n".repeat(90))]);
        assert_eq!(long[0].chars().count(), CELL_MAX);
    }
}
