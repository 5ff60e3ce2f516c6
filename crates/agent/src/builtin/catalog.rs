//! What the analyst knows of the data: tables and columns as `describe_table` told of them.

use domain::table::ColumnType;
use serde::Deserialize;
use serde_json::Value;

use super::words;

/// The SQL that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// DuckDB.
    DuckDb,
}

/// The tables of one connection that were described.
#[derive(Clone, Debug)]
pub(super) struct Catalog {
    /// For tool arguments.
    pub connection_id: String,
    /// For SQL.
    pub dialect: Dialect,
    /// In the order of the search.
    pub tables: Vec<TableInfo>,
}

/// A table.
#[derive(Clone, Debug)]
pub(super) struct TableInfo {
    /// The name to write in SQL.
    pub sql_name: String,
    /// The bare name.
    pub name: String,
    /// The parts of its bare name.
    pub parts: Vec<String>,
    /// How many rows it has, if known.
    pub rows: Option<f64>,
    /// Its columns.
    pub columns: Vec<ColumnInfo>,
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// The parts of its name.
    pub parts: Vec<String>,
    /// What its cells are.
    pub kind: ColumnType,
    /// Whether NULL may stand in it.
    pub nullable: bool,
    /// Whether it alone is the primary key.
    pub is_primary_key: bool,
    /// Table (bare name) and column that it refers to.
    pub references: Option<(String, String)>,
    /// Some of its values, as text.
    pub samples: Vec<String>,
    /// How many distinct values it has, if known.
    pub distinct: Option<f64>,
}

/// The coarseness of a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grain {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week from Monday.
    Week,
    /// A month.
    Month,
    /// A quarter.
    Quarter,
    /// A year.
    Year,
}

impl Grain {
    /// Its name in English and in SQL.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// The grain that a word names: `day`, `daily`, `months`.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Some(match words::singular(word).as_str() {
            "hour" | "hourly" => Self::Hour,
            "day" | "daily" | "date" => Self::Day,
            "week" | "weekly" => Self::Week,
            "month" | "monthly" => Self::Month,
            "quarter" | "quarterly" => Self::Quarter,
            "year" | "yearly" | "annual" | "annually" => Self::Year,
            _ => return None,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribedTable {
    table: String,
    #[serde(default)]
    row_estimate: Option<f64>,
    columns: Vec<DescribedColumn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribedColumn {
    name: String,
    #[serde(rename = "type")]
    kind: ColumnType,
    #[serde(default = "yes")]
    nullable: bool,
    #[serde(default)]
    primary_key: bool,
    #[serde(default)]
    references: Option<Reference>,
    #[serde(default)]
    samples: Vec<Value>,
    #[serde(default)]
    distinct_estimate: Option<f64>,
}

#[derive(Deserialize)]
struct Reference {
    table: String,
    column: String,
}

const fn yes() -> bool {
    true
}

impl TableInfo {
    /// Reads an output of `describe_table`; `None` for a failure.
    pub(super) fn read(output: &Value) -> Option<Self> {
        let described = DescribedTable::deserialize(output).ok()?;
        let keys = described.columns.iter().filter(|column| column.primary_key).count();
        let name = bare_name(&described.table);
        let columns = described
            .columns
            .into_iter()
            .map(|column| ColumnInfo {
                parts: words::name_parts(&column.name),
                name: column.name,
                kind: column.kind,
                nullable: column.nullable,
                is_primary_key: column.primary_key && keys == 1,
                references: column.references.map(|to| (bare_name(&to.table), to.column)),
                samples: column.samples.iter().map(plain).collect(),
                distinct: column.distinct_estimate,
            })
            .collect();
        Some(Self {
            parts: words::name_parts(&name),
            name,
            sql_name: described.table,
            rows: described.row_estimate,
            columns,
        })
    }

    /// The column that tells its rows apart, where one does for sure.
    pub(super) fn key(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.is_primary_key).or_else(|| {
            let is_key = |column: &ColumnInfo| self.is_unique(column) && column.looks_like_key();
            self.columns.iter().position(is_key)
        })
    }

    /// Whether no value of a column comes twice, as far as the estimates tell.
    pub(super) fn is_unique(&self, column: &ColumnInfo) -> bool {
        match (column.is_primary_key, column.distinct, self.rows) {
            (true, ..) => true,
            (_, Some(distinct), Some(rows)) => rows > 1.0 && distinct >= rows * 0.995,
            _ => false,
        }
    }

    /// Whether estimates are missing, so that uniqueness must be looked up.
    pub(super) fn may_be_unique(&self, column: &ColumnInfo) -> bool {
        column.is_primary_key || column.distinct.is_none() || self.rows.is_none_or(|rows| rows < 2.0) || {
            let (distinct, rows) = (column.distinct.unwrap_or_default(), self.rows.unwrap_or_default());
            distinct >= rows * 0.9
        }
    }

    /// The column that people know its rows by: a name or a title.
    pub(super) fn display(&self) -> Option<usize> {
        let named = |wanted: &[&str], alone: bool| {
            self.columns.iter().position(|column| {
                column.kind == ColumnType::Text
                    && column.parts.last().is_some_and(|last| wanted.contains(&last.as_str()))
                    && (!alone
                        || column.parts.len() == 1
                        || column.parts[..column.parts.len() - 1].iter().all(|part| self.is_own_word(part)))
            })
        };
        if self.first_name_pair().is_some() {
            // "title" is a person's position then.
            return named(&["name"], true);
        }
        named(&["name", "title", "label"], true)
            .or_else(|| named(&["name", "title", "label"], false))
            .or_else(|| {
                self.columns.iter().position(|column| {
                    column.kind == ColumnType::Text && column.parts.iter().all(|part| self.is_own_word(part))
                })
            })
    }

    /// Whether a word is one of the table's name: `product` of `products`.
    pub(super) fn is_own_word(&self, part: &str) -> bool {
        self.parts.iter().any(|own| words::singular(own) == words::singular(part))
    }

    /// The columns of a first and a last name, where people are named by two.
    pub(super) fn first_name_pair(&self) -> Option<(usize, usize)> {
        let find = |wanted: &[&str]| {
            self.columns.iter().position(|column| wanted.contains(&column.parts.concat().as_str()))
        };
        find(&["firstname", "givenname", "forename"]).zip(find(&["lastname", "surname", "familyname"]))
    }

    /// The position of a column by name.
    pub(super) fn column_named(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The column that holds just a part of a date as a number: `year`, `month`, `day`, `hour`, `quarter`.
    pub(super) fn part_column(&self, grain: Grain) -> Option<usize> {
        self.columns.iter().position(|column| {
            column.kind == ColumnType::Integer && column.parts.len() == 1 && column.parts[0] == grain.word()
        })
    }

    /// The columns that hold points in time, likeliest meant first.
    pub(super) fn time_columns(&self) -> Vec<usize> {
        let mut found: Vec<(i32, usize)> = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.kind.is_temporal())
            .map(|(index, column)| (self.time_rank(column), index))
            .collect();
        found.sort_by_key(|(rank, index)| (-rank, *index));
        found.into_iter().map(|(_, index)| index).collect()
    }

    /// How likely a point in time is the one that rows happened at: above 0 by its name, below for birthdays and the like.
    pub(super) fn time_rank(&self, column: &ColumnInfo) -> i32 {
        let mut rank = 0;
        for part in &column.parts {
            let stem = words::stem(part);
            if self
                .parts
                .iter()
                .any(|own| words::stem(own) == stem || (own.len() >= 4 && part.starts_with(&own[..4])))
            {
                rank += 3;
            }
            rank += match part.as_str() {
                "created" | "date" | "day" => 2,
                "time" | "timestamp" | "occurred" | "started" | "start" => 1,
                "updated" | "modified" | "deleted" | "birth" | "born" | "expires" | "due" | "ended"
                | "end" | "until" | "cancelled" | "loaded" | "synced" => -4,
                _ => 0,
            };
        }
        rank
    }
}

impl ColumnInfo {
    /// Whether it is named as keys are: `id`, `customer_id`, `code`.
    pub(super) fn looks_like_key(&self) -> bool {
        self.kind == ColumnType::Integer || self.kind == ColumnType::Text
    }

    /// Whether its name ends as those of identifiers do, so that sums and means of it say nothing.
    pub(super) fn is_identifier(&self) -> bool {
        self.is_primary_key
            || self.references.is_some()
            || self.parts.last().is_some_and(|last| {
                matches!(last.as_str(), "id" | "key" | "code" | "uuid" | "zip" | "no" | "nr")
            })
    }

    /// Whether it holds numbers that can be summed or averaged.
    pub(super) fn is_measure(&self) -> bool {
        self.kind.is_numeric() && !self.is_identifier()
    }

    /// Whether summing it up makes sense by its name.
    pub(super) fn is_additive(&self) -> bool {
        self.is_measure()
            && self.parts.iter().any(|part| super::lexicon::is_additive(part))
            && !self.parts.iter().any(|part| {
                matches!(
                    part.as_str(),
                    "avg" | "average" | "rate" | "pct" | "per" | "mean" | "unit" | "score"
                )
            })
    }

    /// Whether its values name groups: text, booleans, and whole numbers of few values.
    pub(super) fn is_category(&self) -> bool {
        match self.kind {
            ColumnType::Text | ColumnType::Boolean => true,
            ColumnType::Integer => self.distinct.is_none_or(|distinct| distinct <= 400.0),
            _ => false,
        }
    }
}

/// A catalog cell as plain text.
fn plain(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The last part of a possibly qualified and quoted name: `"public"."Order Items"` → `Order Items`.
pub(super) fn bare_name(sql_name: &str) -> String {
    let mut last = String::new();
    let mut in_quotes = false;
    for letter in sql_name.chars() {
        match letter {
            '"' => in_quotes = !in_quotes,
            '.' if !in_quotes => last.clear(),
            _ => last.push(letter),
        }
    }
    last
}
