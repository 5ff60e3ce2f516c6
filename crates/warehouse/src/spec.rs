//! What to reach and as whom.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Dialect, Error};

/// A connection's engine, address and credentials.
#[derive(Clone, Debug)]
pub enum ConnectionSpec {
    /// A PostgreSQL server, or what speaks its protocol and grammar.
    Postgres(PostgresSpec),
    /// A folder of CSV, Parquet and JSON files.
    Files(FilesSpec),
}

/// Where a PostgreSQL database is.
#[derive(Clone, Debug)]
pub struct PostgresSpec {
    /// A host name or address; a path of a socket's folder only where the options allow it.
    pub hostname: String,
    /// Its TCP port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role. It needs no more than SELECT.
    pub username: String,
    /// The role's password; may be empty.
    pub password: SecretString,
    /// Whether the connection is encrypted.
    pub tls: TlsMode,
}

/// Whether a connection is encrypted, and against what the server's certificate is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// In the clear.
    Disable,
    /// Encrypted where the server offers it; the certificate is not checked.
    #[default]
    Prefer,
    /// Encrypted; the certificate is not checked.
    Require,
    /// Encrypted; the certificate must be valid for the host name.
    VerifyFull,
}

/// Where files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesSpec {
    /// A folder that someone named. It must lie under a folder that the operator allows.
    Folder(PathBuf),
    /// A folder of uploads, relative to the options' `uploads_folder`. Only code chooses it.
    Upload(PathBuf),
}

impl ConnectionSpec {
    /// Reads `connectionDetails` of the API: `{"postgres":{hostname,port,database,username,password?,tls?}}`,
    /// `{"files":{path}}` or, from uploads, `{"files":{upload}}`. A `password` beside them takes the place of one inside.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] naming the field, such as `connectionDetails.postgres.port`.
    pub fn from_details(
        engine: &str,
        details: &Value,
        password: Option<SecretString>,
    ) -> Result<Self, Error> {
        let base = format!("connectionDetails.{engine}");
        let fields = details.get(engine).and_then(Value::as_object).ok_or_else(|| {
            Error::invalid_spec(&base, format!("is needed: an object for the engine `{engine}`"))
        })?;
        let text = |name: &str| -> Result<String, Error> {
            let path = format!("{base}.{name}");
            let value = fields.get(name).ok_or_else(|| Error::invalid_spec(&path, "is needed"))?;
            let value = value.as_str().ok_or_else(|| Error::invalid_spec(&path, "must be a text"))?.trim();
            if value.is_empty() || value.contains('\0') {
                return Err(Error::invalid_spec(&path, "must not be empty"));
            }
            Ok(value.to_owned())
        };
        match engine {
            "postgres" => Ok(Self::Postgres(PostgresSpec {
                hostname: text("hostname")?,
                port: read_port(fields.get("port"), &base)?,
                database: text("database")?,
                username: text("username")?,
                password: match (password, fields.get("password")) {
                    (Some(password), _) => password,
                    (None, Some(Value::String(inside))) => SecretString::from(inside.clone()),
                    (None, None | Some(Value::Null)) => SecretString::default(),
                    (None, Some(_)) => {
                        return Err(Error::invalid_spec(format!("{base}.password"), "must be a text"));
                    }
                },
                tls: match fields.get("tls") {
                    None | Some(Value::Null) => TlsMode::default(),
                    Some(mode) => serde_json::from_value(mode.clone()).map_err(|_| {
                        Error::invalid_spec(
                            format!("{base}.tls"),
                            "must be one of disable, prefer, require, verify_full",
                        )
                    })?,
                },
            })),
            "files" if fields.contains_key("upload") => {
                Ok(Self::Files(FilesSpec::Upload(PathBuf::from(text("upload")?))))
            }
            "files" => Ok(Self::Files(FilesSpec::Folder(PathBuf::from(text("path")?)))),
            _ => {
                Err(Error::invalid_spec("type", format!("`{engine}` is not a known engine: postgres, files")))
            }
        }
    }

    /// `postgres` or `files`.
    pub const fn engine(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Files(_) => "files",
        }
    }

    /// The SQL that it speaks.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Files(_) => Dialect::DuckDb,
        }
    }

    /// What tells two connections apart, as the catalog cache's key. Holds the password: never log it.
    pub(crate) fn cache_key(&self) -> SpecKey {
        match self {
            Self::Postgres(spec) => SpecKey(format!(
                "postgres\0{}\0{}\0{}\0{}\0{:?}\0{}",
                spec.hostname,
                spec.port,
                spec.database,
                spec.username,
                spec.tls,
                spec.password.expose_secret()
            )),
            Self::Files(FilesSpec::Folder(path)) => SpecKey(format!("folder\0{}", path.display())),
            Self::Files(FilesSpec::Upload(path)) => SpecKey(format!("upload\0{}", path.display())),
        }
    }
}

/// A key of the catalog cache. Has no `Debug`, for it holds a password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct SpecKey(String);

fn read_port(value: Option<&Value>, base: &str) -> Result<u16, Error> {
    let number = match value {
        None | Some(Value::Null) => return Ok(5432),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|port| *port != 0)
        .ok_or_else(|| Error::invalid_spec(format!("{base}.port"), "must be a number from 1 to 65535"))
}
