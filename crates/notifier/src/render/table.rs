//! The short table of a message, as texts in rows.

use super::{
    cells::ColumnFormat,
    inert::{clip, inert_line},
};
use crate::message::{Excerpt, TABLE_ROWS_MAX};

/// How many characters fit beside each other in a mail.
const WIDTH_MAX: usize = 72;
/// The longest name of a column, in characters.
const NAME_MAX: usize = 30;
/// The most columns, however narrow: Slack refuses a message with more, and a mail shows the same table.
const COLUMNS_MAX: usize = slack::block::TABLE_COLUMNS_MAX;

/// A table cut to what a mail can show.
pub(crate) struct ShortTable {
    /// The columns' names.
    pub head: Vec<String>,
    /// For each column, whether it is flush right: numbers are.
    pub flush_right: Vec<bool>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// `and 3 more rows and 2 more columns`, if any were left out.
    pub left_out: Option<String>,
}

/// What of `excerpt` a mail shows: the first rows, and as many columns as fit beside each other.
pub(crate) fn short_table(excerpt: &Excerpt) -> ShortTable {
    let shown_rows = &excerpt.rows[..excerpt.rows.len().min(TABLE_ROWS_MAX)];
    let mut table = ShortTable {
        head: Vec::new(),
        flush_right: Vec::new(),
        rows: vec![Vec::new(); shown_rows.len()],
        left_out: None,
    };
    let mut width = 0;
    for (position, column) in excerpt.columns.iter().enumerate() {
        let cells = || shown_rows.iter().filter_map(move |row| row.get(position));
        let format = ColumnFormat::of(column, cells());
        let name = clip(&inert_line(&column.name), NAME_MAX);
        let texts: Vec<String> = cells().map(|cell| format.text(cell)).collect();
        let longest = texts.iter().chain([&name]).map(|text| text.chars().count()).max().unwrap_or(0);
        width += longest.min(WIDTH_MAX / 3) + 2;
        let is_wide = width > WIDTH_MAX && table.head.len() >= 2;
        if is_wide || table.head.len() == COLUMNS_MAX {
            break;
        }
        table.head.push(name);
        table.flush_right.push(column.kind.is_numeric());
        for (row, text) in table.rows.iter_mut().zip(texts) {
            row.push(text);
        }
    }
    let rows = excerpt.row_count.saturating_sub(shown_rows.len() as u64);
    table.left_out = left_out(rows, excerpt.columns.len() - table.head.len());
    table
}

fn left_out(rows: u64, columns: usize) -> Option<String> {
    let counted =
        |count: u64, noun: &str| format!("{count} more {noun}{}", if count == 1 { "" } else { "s" });
    match (rows, columns as u64) {
        (0, 0) => None,
        (rows, 0) => Some(format!("and {}", counted(rows, "row"))),
        (0, columns) => Some(format!("and {}", counted(columns, "column"))),
        (rows, columns) => Some(format!("and {} and {}", counted(rows, "row"), counted(columns, "column"))),
    }
}

#[cfg(test)]
mod tests {
    use domain::table::{Cell, Column, ColumnType};

    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let columns = (0..12).map(|n| Column::new(format!("a_long_name_{n}"), ColumnType::Integer)).collect();
        let rows = vec![vec![Cell::Int(1_000_000); 12]; 25];
        let excerpt = Excerpt { handle: "r1".into(), columns, rows, row_count: 1_021, truncated: None };
        let table = short_table(&excerpt);
        assert_eq!((table.head.len(), table.rows.len()), (4, 20));
        assert_eq!(table.left_out.as_deref(), Some("and 1001 more rows and 8 more columns"));
        assert_eq!(left_out(1, 0).as_deref(), Some("and 1 more row"));
        assert_eq!(left_out(0, 0), None);
    }

    /// Fails where the width alone is counted: 24 of these fit, and Slack refuses the message.
    #[test]
    fn there_are_no_more_columns_than_slack_shows() {
        let columns = (0..24).map(|_| Column::new("n", ColumnType::Integer)).collect();
        let rows = vec![vec![Cell::Int(1); 24]];
        let excerpt = Excerpt { handle: "r1".into(), columns, rows, row_count: 1, truncated: None };
        let table = short_table(&excerpt);
        assert_eq!((table.head.len(), table.flush_right.len(), table.rows[0].len()), (20, 20, 20));
        assert_eq!(table.left_out.as_deref(), Some("and 4 more columns"));
    }
}
