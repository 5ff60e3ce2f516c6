//! The fields that a spec may refer to: the columns of the result, and what transforms add.

use std::collections::BTreeMap;

use domain::table::{ColumnType, Table};

use crate::{error::Error, time};

/// How a field's values are drawn and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Time,
    Text,
    Flag,
}

/// A field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// Its name inside the chart: the column's, unless Vega would read that as a path.
    pub(crate) key: String,
    /// Its name for readers.
    pub(crate) label: String,
    pub(crate) kind: Kind,
    /// The position of its column; `None` for what a transform adds.
    pub(crate) column: Option<usize>,
    /// The columns whose values a transform put into it.
    pub(crate) sources: Vec<usize>,
    /// Whether the spec refers to it.
    pub(crate) is_used: bool,
}

/// The fields by the name that a spec writes.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    table: &'a Table,
    by_name: BTreeMap<String, Field>,
}

/// How many columns an error lists.
const LISTED: usize = 40;

impl<'a> Fields<'a> {
    /// The columns of a table.
    pub(crate) fn new(table: &'a Table) -> Self {
        let by_name = table
            .columns
            .iter()
            .enumerate()
            .map(|(position, column)| {
                let kind = match column.kind {
                    ColumnType::Integer | ColumnType::Float | ColumnType::Decimal => Kind::Number,
                    ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz => Kind::Time,
                    ColumnType::Boolean => Kind::Flag,
                    ColumnType::Text | ColumnType::Time | ColumnType::Json => Kind::Text,
                };
                let field = Field {
                    key: safe_key(table, position),
                    label: humanize(&column.name),
                    kind,
                    column: Some(position),
                    sources: Vec::new(),
                    is_used: false,
                };
                (column.name.clone(), field)
            })
            .collect();
        Self { table, by_name }
    }

    /// The field that a spec names, from now on one in use. Case may differ, as it may in SQL.
    pub(crate) fn resolve(&mut self, name: &str, at: &str) -> Result<Field, Error> {
        let exact = self.by_name.contains_key(name).then(|| name.to_owned());
        let found =
            exact.or_else(|| self.by_name.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned());
        let Some(field) = found.and_then(|known| self.by_name.get_mut(&known)) else {
            let names: Vec<String> =
                self.by_name.keys().take(LISTED).map(|name| format!("`{name}`")).collect();
            let hint = format!("The columns are: {}.", names.join(", "));
            return Err(Error::spec(at, format!("there is no column `{name}`"), hint));
        };
        field.is_used = true;
        Ok(field.clone())
    }

    /// Adds what a transform makes, of the values of `sources`; it may replace a field of that name.
    pub(crate) fn add(&mut self, name: &str, kind: Kind, sources: &[usize]) {
        let field = Field {
            key: name.to_owned(),
            label: humanize(name),
            kind,
            column: None,
            sources: sources.to_vec(),
            is_used: true,
        };
        self.by_name.insert(name.to_owned(), field);
    }

    /// The field of a key in the checked spec.
    pub(crate) fn by_key(&self, key: &str) -> Option<&Field> {
        self.by_name.values().find(|field| field.key == key)
    }

    /// The columns in use, in the table's order.
    pub(crate) fn used_columns(&self) -> Vec<(usize, &Field)> {
        let mut used: Vec<(usize, &Field)> = self
            .by_name
            .values()
            .filter(|field| field.is_used)
            .filter_map(|field| field.column.map(|column| (column, field)))
            .collect();
        used.sort_by_key(|(column, _)| *column);
        used
    }

    /// Makes a text field one of times, if each of its texts is a date or time.
    pub(crate) fn read_as_time(&mut self, key: &str) -> bool {
        let Some(field) = self.by_name.values_mut().find(|field| field.key == key) else {
            return false;
        };
        let (Kind::Text, Some(column)) = (field.kind, field.column) else {
            return false;
        };
        let mut texts =
            self.table.rows.iter().map(|row| &row[column]).filter(|cell| !cell.is_null()).peekable();
        let is_time = texts.peek().is_some()
            && texts.all(|cell| time::parse(&cell.to_plain(), chrono_tz::UTC).is_some());
        if is_time {
            field.kind = Kind::Time;
        }
        is_time
    }

    /// The table that the columns belong to.
    pub(crate) const fn table(&self) -> &'a Table {
        self.table
    }
}

/// A key that Vega reads as one name: it takes dots and brackets for paths.
fn safe_key(table: &Table, position: usize) -> String {
    let name = &table.columns[position].name;
    let is_path = name.contains(['.', '[', ']', '\\', '\'', '"']);
    if !name.is_empty() && !is_path && !is_inherited(name) {
        return name.clone();
    }
    let mut key = format!("column {}", position + 1);
    while table.columns.iter().any(|column| column.name == key) {
        key.push('*');
    }
    key
}

/// Whether each object of the script has something of that name.
pub(crate) fn is_inherited(name: &str) -> bool {
    let inherited = [
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toLocaleString",
        "toString",
        "valueOf",
    ];
    name.starts_with('_') || inherited.contains(&name)
}

/// `avg_delay` as `Avg delay`; a name that someone wrote with capitals or blanks stays.
pub(crate) fn humanize(name: &str) -> String {
    if name.chars().any(|character| character.is_uppercase() || character == ' ') {
        return name.to_owned();
    }
    let spaced = name.replace('_', " ");
    let mut characters = spaced.trim().chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => name.to_owned(),
    }
}
