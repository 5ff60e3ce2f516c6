//! Rows as CSV (RFC 4180), with what a spreadsheet would run as a formula defused.

use domain::table::{Cell, Column};

/// The line of column names.
pub(crate) fn header(columns: &[Column]) -> String {
    let names: Vec<_> = columns.iter().map(|column| field(&column.name, true)).collect();
    names.join(",") + "\r\n"
}

/// One row as a line.
pub(crate) fn line(row: &[Cell]) -> String {
    let fields: Vec<_> = row
        .iter()
        .map(|cell| field(&cell.to_plain(), matches!(cell, Cell::Text(text) if !is_number(text))))
        .collect();
    fields.join(",") + "\r\n"
}

/// A spreadsheet reads a text that starts so as a formula; a quote before it keeps it a text. Numbers stay numbers.
fn field(text: &str, is_text: bool) -> String {
    let text = if is_text && is_formula(text) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Some spreadsheets strip what is blank before they look, and take the wide forms of the signs for the signs.
fn is_formula(text: &str) -> bool {
    let is_blank =
        |character: char| character.is_whitespace() || character.is_control() || character == '\u{feff}';
    text.starts_with(['\t', '\r', '\n'])
        || text.trim_start_matches(is_blank).starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// A decimal number kept as text, such as `-12.50`.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().filter(|byte| *byte == b'.').count() <= 1
}

#[cfg(test)]
mod tests {
    use domain::table::ColumnType;

    use super::*;

    #[test]
    fn formulas_are_defused_and_numbers_kept() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let row = [
            text("=1+1"),
            text("+cmd|' /C calc'!A0"),
            text("-2+3"),
            text("@SUM(A1)"),
            text("\t=1"),
            text(" =1"),
            text("＝1"),
            text(" 1"),
            text("-12.50"),
            Cell::Int(-3),
            Cell::Float(-0.5),
            Cell::Null,
            text("a \"b\", c\nd"),
            Cell::Bool(true),
        ];
        assert_eq!(
            line(&row),
            "'=1+1,'+cmd|' /C calc'!A0,'-2+3,'@SUM(A1),'\t=1,' =1,'＝1, 1,-12.50,-3,-0.5,,\"a \"\"b\"\", c\nd\",true\r\n"
        );
        let columns = [Column::new("=x", ColumnType::Text), Column::new("a,b", ColumnType::Integer)];
        assert_eq!(header(&columns), "'=x,\"a,b\"\r\n");
    }
}
