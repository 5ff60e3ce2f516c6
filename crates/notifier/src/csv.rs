//! A result as a CSV file (RFC 4180).

use domain::table::{Cell, Column};

/// A CSV file that grows row by row up to a size.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    limit: usize,
}

/// The file would be larger than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file would be too large")]
pub struct TooLarge;

impl Writer {
    /// A file of at most `limit` bytes that begins with the columns' names.
    pub fn new(columns: &[Column], limit: usize) -> Result<Self, TooLarge> {
        let mut writer = Self { bytes: Vec::new(), limit };
        writer.record(columns.iter().map(|column| defused(&column.name)))?;
        Ok(writer)
    }

    /// Appends a row.
    pub fn row(&mut self, columns: &[Column], cells: &[Cell]) -> Result<(), TooLarge> {
        self.record(columns.iter().zip(cells).map(|(column, cell)| match cell {
            Cell::Text(text) if !column.kind.is_numeric() => defused(text),
            other => other.to_plain(),
        }))
    }

    /// The file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn record(&mut self, fields: impl Iterator<Item = String>) -> Result<(), TooLarge> {
        for (position, field) in fields.enumerate() {
            if position > 0 {
                self.bytes.push(b',');
            }
            if field.contains(['"', ',', '\n', '\r']) {
                self.bytes.push(b'"');
                self.bytes.extend_from_slice(field.replace('"', "\"\"").as_bytes());
                self.bytes.push(b'"');
            } else {
                self.bytes.extend_from_slice(field.as_bytes());
            }
        }
        self.bytes.extend_from_slice(b"\r\n");
        if self.bytes.len() > self.limit { Err(TooLarge) } else { Ok(()) }
    }
}

/// A text that no spreadsheet takes for a formula.
fn defused(text: &str) -> String {
    if is_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// Some spreadsheets strip what is blank before they look, and take the wide forms of the signs for the signs.
fn is_formula(text: &str) -> bool {
    let is_blank =
        |character: char| character.is_whitespace() || character.is_control() || character == '\u{feff}';
    text.starts_with(['\t', '\r', '\n'])
        || text.trim_start_matches(is_blank).starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use domain::table::ColumnType;

    use super::*;

    #[test]
    fn fields_are_quoted_and_formulas_defused() {
        let columns = [Column::new("name", ColumnType::Text), Column::new("=value", ColumnType::Integer)];
        let mut writer = Writer::new(&columns, 1_000).expect("room");
        let text = |text: &str| Cell::Text(text.into());
        writer.row(&columns, &[text("a \"b\",\nc"), Cell::Int(-5)]).expect("room");
        writer.row(&columns, &[text("=HYPERLINK(1)"), Cell::Null]).expect("room");
        writer.row(&columns, &[text(" =1"), Cell::Null]).expect("room");
        writer.row(&columns, &[text("\u{feff}＝1"), Cell::Null]).expect("room");
        writer.row(&columns, &[text(" 1"), Cell::Null]).expect("room");
        let file = String::from_utf8(writer.into_bytes()).expect("UTF-8");
        assert_eq!(
            file,
            "name,'=value\r\n\"a \"\"b\"\",\nc\",-5\r\n'=HYPERLINK(1),\r\n' =1,\r\n'\u{feff}＝1,\r\n 1,\r\n"
        );
    }

    #[test]
    fn a_file_never_outgrows_its_limit() {
        let columns = [Column::new("name", ColumnType::Text)];
        let mut writer = Writer::new(&columns, 20).expect("room");
        assert_eq!(writer.row(&columns, &[Cell::Text("x".repeat(20))]), Err(TooLarge));
    }
}
