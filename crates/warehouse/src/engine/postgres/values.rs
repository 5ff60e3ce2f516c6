//! PostgreSQL's binary values as cells. Types without a reading here are turned into text or JSON by the server.

use domain::table::{Cell, ColumnType};
use tokio_postgres::types::{FromSql, Kind, Type};

use crate::cells;

/// How a column's values come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As they are.
    Plain(ColumnType),
    /// Through `::text`.
    AsText,
    /// Through `to_json(…)::text`.
    AsJson,
    /// Through `::numeric`.
    AsNumeric,
}

/// How values of a type are read.
pub(super) fn reading(kind: &Type) -> Reading {
    match kind.kind() {
        Kind::Domain(inner) => return reading(inner),
        Kind::Enum(_) => return Reading::Plain(ColumnType::Text),
        Kind::Array(_) | Kind::Composite(_) => return Reading::AsJson,
        Kind::Simple => {}
        Kind::Pseudo if *kind == Type::RECORD => return Reading::AsJson,
        _ => return Reading::AsText,
    }
    match *kind {
        Type::BOOL => Reading::Plain(ColumnType::Boolean),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => Reading::Plain(ColumnType::Integer),
        Type::FLOAT4 | Type::FLOAT8 => Reading::Plain(ColumnType::Float),
        Type::NUMERIC => Reading::Plain(ColumnType::Decimal),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
            Reading::Plain(ColumnType::Text)
        }
        Type::UUID => Reading::Plain(ColumnType::Text),
        Type::DATE => Reading::Plain(ColumnType::Date),
        Type::TIMESTAMP => Reading::Plain(ColumnType::Timestamp),
        Type::TIMESTAMPTZ => Reading::Plain(ColumnType::TimestampTz),
        Type::TIME => Reading::Plain(ColumnType::Time),
        Type::JSON | Type::JSONB => Reading::Plain(ColumnType::Json),
        Type::MONEY => Reading::AsNumeric,
        _ => Reading::AsText,
    }
}

impl Reading {
    /// What cells come of it.
    pub(super) const fn kind(self) -> ColumnType {
        match self {
            Self::Plain(kind) => kind,
            Self::AsText => ColumnType::Text,
            Self::AsJson => ColumnType::Json,
            Self::AsNumeric => ColumnType::Decimal,
        }
    }

    /// The expression that reads `column` so.
    pub(super) fn expression(self, column: &str) -> String {
        match self {
            Self::Plain(_) => column.to_owned(),
            Self::AsText => format!("{column}::pg_catalog.text"),
            Self::AsJson => format!("pg_catalog.to_json({column})::pg_catalog.text"),
            Self::AsNumeric => format!("{column}::pg_catalog.numeric"),
        }
    }
}

/// A value of any type, as a cell.
pub(super) struct Value(pub(super) Cell);

impl<'a> FromSql<'a> for Value {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(read(kind, raw)?))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Cell::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

type ReadError = Box<dyn std::error::Error + Sync + Send>;

fn read(kind: &Type, raw: &[u8]) -> Result<Cell, ReadError> {
    if let Kind::Domain(inner) = kind.kind() {
        return read(inner, raw);
    }
    let cell = match *kind {
        Type::BOOL => Cell::Bool(bool::from_sql(kind, raw)?),
        Type::INT2 => Cell::Int(i64::from(i16::from_sql(kind, raw)?)),
        Type::INT4 => Cell::Int(i64::from(i32::from_sql(kind, raw)?)),
        Type::INT8 => Cell::Int(i64::from_sql(kind, raw)?),
        Type::OID => Cell::Int(i64::from(u32::from_sql(kind, raw)?)),
        // By its shortest decimal text, so that 0.1 stays 0.1.
        Type::FLOAT4 => cells::float(f32::from_sql(kind, raw)?.to_string().parse()?),
        Type::FLOAT8 => cells::float(f64::from_sql(kind, raw)?),
        Type::NUMERIC => numeric(raw)?.map_or(Cell::Null, Cell::Text),
        Type::DATE => moment(raw, date)?,
        Type::TIMESTAMP => moment(raw, |micros| timestamp(micros, ""))?,
        Type::TIMESTAMPTZ => moment(raw, |micros| timestamp(micros, "Z"))?,
        Type::TIME => moment(raw, |micros| Some(time_of_day(micros)))?,
        Type::UUID => Cell::Text(uuid_text(raw)?),
        // A byte of version before the text.
        Type::JSONB => Cell::Text(text(raw.get(1..).unwrap_or_default())),
        _ => Cell::Text(text(raw)),
    };
    Ok(cell)
}

fn text(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

/// A `numeric` exactly; `None` for NaN and the infinities.
///
/// Its form: count of digits, weight of the first, sign, digits behind the point, then digits of base 10,000.
fn numeric(raw: &[u8]) -> Result<Option<String>, ReadError> {
    const NEGATIVE: u16 = 0x4000;
    const POSITIVE: u16 = 0;
    let words: Vec<u16> = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let [count, weight, sign, scale, digits @ ..] = words.as_slice() else {
        return Err("a numeric is too short".into());
    };
    if *sign != POSITIVE && *sign != NEGATIVE {
        return Ok(None);
    }
    let digits = digits.get(..usize::from(*count)).ok_or("a numeric lacks digits")?;
    let (weight, scale) = (i32::from(weight.cast_signed()), usize::from(*scale));
    let digit =
        |position: i32| usize::try_from(position).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let mut written = String::new();
    if *sign == NEGATIVE {
        written.push('-');
    }
    let whole: String = (0..=weight).map(|position| Decimals(digit(position)).to_string()).collect();
    let whole = whole.trim_start_matches('0');
    written.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        written.push('.');
        let groups = i32::try_from(scale.div_ceil(4))?;
        let fraction: String =
            (weight + 1..=weight + groups).map(|position| Decimals(digit(position)).to_string()).collect();
        written.push_str(&fraction[..scale]);
    }
    Ok(Some(written))
}

/// A digit of base 10,000.
struct Decimals(u16);

impl std::fmt::Display for Decimals {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:04}", self.0)
    }
}

/// Dates are days, times and timestamps microseconds, since 2000-01-01 or midnight; their ends are the infinities.
fn moment(raw: &[u8], format: impl Fn(i64) -> Option<String>) -> Result<Cell, ReadError> {
    let (value, is_infinite) = if let Ok(days) = raw.try_into().map(i32::from_be_bytes) {
        (i64::from(days), days == i32::MAX || days == i32::MIN)
    } else {
        let micros = i64::from_be_bytes(raw.try_into()?);
        (micros, micros == i64::MAX || micros == i64::MIN)
    };
    if is_infinite {
        return Ok(Cell::Null);
    }
    Ok(format(value).map_or(Cell::Null, Cell::Text))
}

fn date(days: i64) -> Option<String> {
    let epoch = chrono::NaiveDate::from_ymd_opt(2000, 1, 1)?;
    let date = epoch.checked_add_signed(chrono::TimeDelta::try_days(days)?)?;
    Some(date.format("%Y-%m-%d").to_string())
}

fn timestamp(micros: i64, zone: &str) -> Option<String> {
    const MICROS_PER_DAY: i64 = 86_400_000_000;
    let date = date(micros.div_euclid(MICROS_PER_DAY))?;
    Some(format!("{date}T{}{zone}", time_of_day(micros.rem_euclid(MICROS_PER_DAY))))
}

fn time_of_day(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        return whole;
    }
    let digits = format!("{fraction:06}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

fn uuid_text(raw: &[u8]) -> Result<String, ReadError> {
    let number = u128::from_be_bytes(raw.try_into()?);
    let hex = format!("{number:032x}");
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}
