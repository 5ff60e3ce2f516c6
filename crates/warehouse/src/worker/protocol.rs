//! What parent and worker say to each other: a greeting, then frames of a length (4 bytes, big endian) and JSON.

use std::{
    io::{Read, Write},
    path::PathBuf,
    time::Duration,
};

use domain::table::{Cell, Column, Truncation};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{CatalogTable, Error, TableDescription};

/// The worker's first bytes. What comes before them (a test harness announcing a test) is skipped.
pub(crate) const GREETING: &[u8] = b"\n\x01tidings-engine-worker-1\n";

/// The longest frame that is read: a chunk of rows is far below, one giant cell is refused before.
const LONGEST_FRAME: usize = 256 << 20;

/// What a worker is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Query(QueryRequest),
    Catalog(TablesRequest),
    Describe(DescribeRequest),
    Convert(ConvertRequest),
}

impl Request {
    /// What it may cost.
    pub(crate) const fn cost(&self) -> Cost {
        match self {
            Self::Query(request) => request.cost,
            Self::Catalog(request) => request.cost,
            Self::Describe(request) => request.cost,
            Self::Convert(request) => request.cost,
        }
    }

    /// The most bytes that it may write to one file.
    pub(crate) const fn file_bytes(&self) -> u64 {
        match self {
            Self::Convert(request) => request.file_bytes,
            Self::Query(_) | Self::Catalog(_) | Self::Describe(_) => 0,
        }
    }
}

/// What a request may cost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) memory_bytes: u64,
    pub(crate) threads: u16,
    pub(crate) timeout: Duration,
}

/// A table: its name and the Parquet file that holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FileTable {
    pub(crate) name: String,
    pub(crate) parquet: PathBuf,
}

/// One statement over tables.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct QueryRequest {
    pub(crate) tables: Vec<FileTable>,
    pub(crate) sql: String,
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    pub(crate) cost: Cost,
}

/// What there is to know of tables.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TablesRequest {
    pub(crate) tables: Vec<FileTable>,
    pub(crate) cost: Cost,
}

/// What one of the tables holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DescribeRequest {
    pub(crate) file: FileTable,
    pub(crate) table: CatalogTable,
    pub(crate) cost: Cost,
}

/// A CSV or JSON file to be turned into Parquet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConvertRequest {
    pub(crate) source: PathBuf,
    pub(crate) format: SourceFormat,
    pub(crate) target: PathBuf,
    pub(crate) file_bytes: u64,
    pub(crate) cost: Cost,
}

/// How a file that is not Parquet is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SourceFormat {
    Csv,
    Json,
}

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// A query's columns, before its rows.
    Columns {
        columns: Vec<Column>,
        /// Positions of columns of whole numbers that may be wider than 64 bits.
        wide: Vec<usize>,
    },
    /// Some of a query's rows.
    Rows(Vec<Vec<Cell>>),
    /// A query's end.
    Done(Option<Truncation>),
    /// A catalog's tables, and why others are missing.
    Tables { tables: Vec<CatalogTable>, problems: Vec<String> },
    /// A table's description.
    Description(Box<TableDescription>),
    /// A file was converted: what was wrong with it, if it was not clean.
    Converted(Option<String>),
    /// There is no answer.
    Failed(Error),
}

pub(crate) fn write_greeting(output: &mut impl Write) -> Result<(), Error> {
    output.write_all(GREETING).and_then(|()| output.flush()).map_err(|error| lost(&error))
}

pub(crate) fn write_frame(output: &mut impl Write, message: &impl Serialize) -> Result<(), Error> {
    let frame = encode_frame(message)?;
    output.write_all(&frame).and_then(|()| output.flush()).map_err(|error| lost(&error))
}

/// A message with its length before it.
pub(crate) fn encode_frame(message: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)
        .map_err(|error| Error::Worker { message: format!("a message could not be written: {error}") })?;
    let length = frame.len() - 4;
    let length = u32::try_from(length).ok().filter(|_| length <= LONGEST_FRAME).ok_or_else(|| {
        Error::TooLarge { what: "a part of the result".to_owned(), limit_bytes: LONGEST_FRAME }
    })?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// The next message; `None` at the end.
pub(crate) fn read_frame<T: DeserializeOwned>(input: &mut impl Read) -> Result<Option<T>, Error> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(lost(&error)),
    }
    let mut frame = vec![0; frame_length(length)?];
    input.read_exact(&mut frame).map_err(|error| lost(&error))?;
    decode_frame(&frame).map(Some)
}

/// A frame's length, if it is one that is read.
pub(crate) fn frame_length(bytes: [u8; 4]) -> Result<usize, Error> {
    let length = u32::from_be_bytes(bytes) as usize;
    if length > LONGEST_FRAME {
        return Err(Error::Worker { message: "a message is too long".to_owned() });
    }
    Ok(length)
}

pub(crate) fn decode_frame<T: DeserializeOwned>(frame: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(frame)
        .map_err(|error| Error::Worker { message: format!("a message could not be read: {error}") })
}

fn lost(error: &std::io::Error) -> Error {
    Error::Worker { message: format!("the pipe between the processes broke: {error}") }
}
