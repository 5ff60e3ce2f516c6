//! Rows that a query returned: columns, their types, and cells.

use serde::{Deserialize, Serialize};

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// `Cell::Bool`.
    Boolean,
    /// `Cell::Int`; a value outside 64 bits makes the column `Decimal`.
    Integer,
    /// `Cell::Float`, IEEE double.
    Float,
    /// `Cell::Text` holding an exact decimal number, such as `12.50`.
    Decimal,
    /// `Cell::Text`.
    Text,
    /// `Cell::Text` as `YYYY-MM-DD`.
    Date,
    /// `Cell::Text` as `YYYY-MM-DDTHH:MM:SS[.ffffff]`, a wall time of no zone.
    Timestamp,
    /// `Cell::Text` as `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`, an instant.
    TimestampTz,
    /// `Cell::Text` as `HH:MM:SS[.ffffff]`.
    Time,
    /// `Cell::Text` holding JSON: lists, structs, documents.
    Json,
}

impl ColumnType {
    /// Whether its cells are numbers.
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Float | Self::Decimal)
    }

    /// Whether its cells are points in time.
    pub const fn is_temporal(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::TimestampTz)
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Column {
    /// Its name, unique within the result (a repeated name gets `_2`, `_3`).
    pub name: String,
    /// What its cells are.
    #[serde(rename = "type")]
    pub kind: ColumnType,
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Self {
        Self { name: name.into(), kind }
    }
}

/// One cell. Its column's type says how to read a text. NaN and infinities are `Null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Cell {
    /// SQL's NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// Text, and all that is kept exactly as text.
    Text(String),
}

impl Cell {
    /// The cell as a number: numbers, and texts that hold one (a `Decimal` column).
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Text(text) => text.parse().ok().filter(|value: &f64| value.is_finite()),
            Self::Null | Self::Bool(_) => None,
        }
    }

    /// Whether it is NULL.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The cell as plain text, unformatted: the empty string for NULL.
    pub fn to_plain(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// The rows of a query, whole or cut at a limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
    /// Why rows are missing at the end, if they are.
    pub truncated: Option<Truncation>,
}

impl Table {
    /// The position of a column by name: exact, else regardless of case.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.name == name)
            .or_else(|| self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)))
    }
}

/// Which limit cut a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// The limit on rows.
    Rows,
    /// The limit on bytes.
    Bytes,
}
