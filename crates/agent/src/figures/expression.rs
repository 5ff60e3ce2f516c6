//! What stands between the braces: parsing and evaluation.

use domain::{
    answer::CellRef,
    table::{Cell, ColumnType},
};

use super::{Source, format::Format};

/// The longest expression, in bytes.
const LENGTH_MAX: usize = 500;
/// How deep functions may nest.
const DEPTH_MAX: usize = 6;

/// A parsed figure.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    pub(super) expression: Expression,
    pub(super) format: Format,
}

#[derive(Debug, PartialEq)]
pub(super) enum Expression {
    Cell { handle: String, row: u64, column: String },
    Sum { handle: String, column: String },
    Count { handle: String },
    Binary { function: Function, left: Box<Expression>, right: Box<Expression> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Delta,
    PctChange,
    Ratio,
}

/// What an expression comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    /// A cell as it is, with its column's type.
    Cell(Cell, ColumnType),
    /// A computed number.
    Number(f64),
    /// A computed whole number.
    Whole(i128),
}

impl Value {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Cell(cell, kind) if kind.is_numeric() => cell.as_f64(),
            Self::Cell(..) => None,
            Self::Number(number) => Some(*number),
            Self::Whole(number) => Some(*number as f64),
        }
    }
}

/// Parses what stands between the braces.
pub(super) fn parse(written: &str) -> Result<Parsed, String> {
    if written.len() > LENGTH_MAX {
        return Err(format!(
            "longer than {LENGTH_MAX} characters; a figure names one cell or one function of cells"
        ));
    }
    let mut parser = Parser { rest: written };
    let expression = parser.expression(0)?;
    parser.skip_space();
    let format = match parser.rest.strip_prefix('|') {
        Some(format) => Format::parse(format.trim())?,
        None if parser.rest.is_empty() => Format::ByType,
        None => {
            return Err(format!("`{}` is not understood; a format follows after `|`", parser.rest.trim()));
        }
    };
    Ok(Parsed { expression, format })
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn expression(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEPTH_MAX {
            return Err(format!("functions are nested more than {DEPTH_MAX} deep"));
        }
        self.skip_space();
        let word = self.word();
        if word.is_empty() {
            return Err(
                "write a cell such as r1[0].flights, or delta, pct_change, ratio, sum or count".into()
            );
        }
        self.skip_space();
        if !self.take('(') {
            return self.cell(word);
        }
        let expression = match word.to_ascii_lowercase().as_str() {
            "delta" => self.binary(Function::Delta, depth)?,
            "pct_change" => self.binary(Function::PctChange, depth)?,
            "ratio" => self.binary(Function::Ratio, depth)?,
            "sum" => {
                let handle = self.handle("sum(r1.column)")?;
                let Some(column) = self.column()? else {
                    return Err("sum takes a column: sum(r1.flights)".into());
                };
                Expression::Sum { handle, column }
            }
            "count" => Expression::Count { handle: self.handle("count(r1)")? },
            other => {
                return Err(format!(
                    "`{other}` is no function; there are delta, pct_change, ratio, sum and count"
                ));
            }
        };
        self.skip_space();
        if !self.take(')') {
            return Err("a closing parenthesis is missing".into());
        }
        Ok(expression)
    }

    fn binary(&mut self, function: Function, depth: usize) -> Result<Expression, String> {
        let left = Box::new(self.expression(depth + 1)?);
        self.skip_space();
        if !self.take(',') {
            return Err("two values are needed, separated by a comma, each a cell or a function".into());
        }
        let right = Box::new(self.expression(depth + 1)?);
        Ok(Expression::Binary { function, left, right })
    }

    fn handle(&mut self, example: &str) -> Result<String, String> {
        self.skip_space();
        let word = self.word();
        if word.is_empty() { Err(format!("a result is missing: {example}")) } else { Ok(word.to_owned()) }
    }

    fn cell(&mut self, handle: &str) -> Result<Expression, String> {
        let example = format!("a cell is written {handle}[0].column or {handle}[0][\"column name\"]");
        if !self.take('[') {
            return Err(example);
        }
        self.skip_space();
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits = &self.rest[..length];
        self.rest = &self.rest[length..];
        self.skip_space();
        if digits.is_empty() || !self.take(']') {
            return Err(format!("the row must be a whole number from 0; {example}"));
        }
        let row = digits.parse().map_err(|_| format!("row {digits} is beyond every result"))?;
        let Some(column) = self.column()? else { return Err(example) };
        Ok(Expression::Cell { handle: handle.to_owned(), row, column })
    }

    /// `.name`, `."any name"`, `["any name"]` or `['any name']`, if one follows.
    fn column(&mut self) -> Result<Option<String>, String> {
        self.skip_space();
        if self.take('[') {
            self.skip_space();
            let name = self.quoted()?.ok_or("a column in brackets is quoted: r1[0][\"total sales\"]")?;
            self.skip_space();
            if !self.take(']') {
                return Err("the bracket of the column is not closed".into());
            }
            return Ok(Some(name));
        }
        if !self.take('.') {
            return Ok(None);
        }
        if let Some(name) = self.quoted()? {
            return Ok(Some(name));
        }
        let word = self.word();
        if word.is_empty() {
            return Err("a column's name is missing after the dot".into());
        }
        Ok(Some(word.to_owned()))
    }

    /// A string in single or double quotes; a backslash keeps the next character.
    fn quoted(&mut self) -> Result<Option<String>, String> {
        let Some(quote) = self.rest.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
            return Ok(None);
        };
        let mut name = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => name.extend(characters.next().map(|(_, kept)| kept)),
                end if end == quote => {
                    self.rest = &self.rest[at + end.len_utf8()..];
                    return Ok(Some(name));
                }
                other => name.push(other),
            }
        }
        Err("a quote is not closed".into())
    }

    fn word(&mut self) -> &'a str {
        let length = self
            .rest
            .char_indices()
            .find(|(_, character)| !character.is_alphanumeric() && *character != '_')
            .map_or(self.rest.len(), |(at, _)| at);
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        word
    }

    fn take(&mut self, expected: char) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

/// Computes an expression and notes the cells that it used.
pub(super) fn evaluate(
    expression: &Expression,
    sources: &[Source<'_>],
    cells: &mut Vec<CellRef>,
) -> Result<Value, String> {
    match expression {
        Expression::Cell { handle, row, column } => cell(source(sources, handle)?, *row, column, cells),
        Expression::Sum { handle, column } => sum(source(sources, handle)?, column, cells),
        Expression::Count { handle } => {
            let source = source(sources, handle)?;
            require_whole(source, "count")?;
            cells.push(CellRef {
                result_id: source.id,
                handle: source.handle.to_owned(),
                row: None,
                column: None,
                value: None,
            });
            Ok(Value::Whole(source.table.rows.len() as i128))
        }
        Expression::Binary { function, left, right } => {
            let left = number(left, sources, cells)?;
            let right = number(right, sources, cells)?;
            let result = match function {
                Function::Delta => left - right,
                Function::PctChange | Function::Ratio if right == 0.0 => {
                    return Err(
                        "the second value is 0, so there is nothing to divide by; say it in words".into()
                    );
                }
                Function::PctChange => (left - right) / right.abs(),
                Function::Ratio => left / right,
            };
            if result.is_finite() {
                Ok(Value::Number(result))
            } else {
                Err("the result is no finite number".into())
            }
        }
    }
}

fn number(expression: &Expression, sources: &[Source<'_>], cells: &mut Vec<CellRef>) -> Result<f64, String> {
    evaluate(expression, sources, cells)?.number().ok_or_else(|| {
        "delta, pct_change and ratio compute with numbers; one of the cells is none".to_owned()
    })
}

fn source<'a, 's>(sources: &'s [Source<'a>], handle: &str) -> Result<&'s Source<'a>, String> {
    sources.iter().find(|source| source.handle == handle).ok_or_else(|| {
        let known: Vec<_> = sources.iter().map(|source| source.handle).collect();
        match known.as_slice() {
            [] => format!("there is no result `{handle}`: no query of this thread has returned one yet"),
            _ => format!("there is no result `{handle}`; there are {}", known.join(", ")),
        }
    })
}

fn column_index(source: &Source<'_>, name: &str) -> Result<usize, String> {
    source.table.column_index(name).ok_or_else(|| {
        let names: Vec<_> = source.table.columns.iter().take(40).map(|column| column.name.as_str()).collect();
        format!("{} has no column `{name}`; its columns are {}", source.handle, names.join(", "))
    })
}

fn cell(source: &Source<'_>, row: u64, name: &str, cells: &mut Vec<CellRef>) -> Result<Value, String> {
    let index = column_index(source, name)?;
    let value =
        usize::try_from(row).ok().and_then(|row| source.table.rows.get(row)).and_then(|row| row.get(index));
    let Some(value) = value else {
        return Err(match source.table.rows.len() {
            0 => format!("{} has no rows; say so in words", source.handle),
            rows => format!("{} has {rows} rows: its last is {}[{}]", source.handle, source.handle, rows - 1),
        });
    };
    if value.is_null() {
        return Err("the cell is NULL: there is no value to show; say so in words".into());
    }
    let column = &source.table.columns[index];
    cells.push(CellRef {
        result_id: source.id,
        handle: source.handle.to_owned(),
        row: Some(row),
        column: Some(column.name.clone()),
        value: Some(value.clone()),
    });
    Ok(Value::Cell(value.clone(), column.kind))
}

fn sum(source: &Source<'_>, name: &str, cells: &mut Vec<CellRef>) -> Result<Value, String> {
    require_whole(source, "sum")?;
    let index = column_index(source, name)?;
    let column = &source.table.columns[index];
    if !column.kind.is_numeric() {
        return Err(format!("the column `{}` holds no numbers", column.name));
    }
    cells.push(CellRef {
        result_id: source.id,
        handle: source.handle.to_owned(),
        row: None,
        column: Some(column.name.clone()),
        value: None,
    });
    let values = source.table.rows.iter().filter_map(|row| row.get(index));
    if column.kind == ColumnType::Integer {
        let whole = values.map(|cell| if let Cell::Int(value) = cell { i128::from(*value) } else { 0 }).sum();
        return Ok(Value::Whole(whole));
    }
    Ok(Value::Number(values.filter_map(Cell::as_f64).sum()))
}

/// A sum or count over a result that was cut would be wrong without looking so.
fn require_whole(source: &Source<'_>, function: &str) -> Result<(), String> {
    if source.table.truncated.is_none() {
        return Ok(());
    }
    Err(format!(
        "{} was cut at a limit, so {function} over it would be wrong; compute it in SQL and refer to that cell",
        source.handle
    ))
}
