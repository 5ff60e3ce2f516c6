//! The guard of DuckDB statements, over the tree that DuckDB's own parser makes (`json_serialize_sql`, which knows only
//! SELECT).

use std::{cell::RefCell, collections::HashSet};

use serde_json::{Map, Value};

use super::{
    check_text,
    duckdb_names::{EXPRESSIONS, FUNCTIONS, INFORMATION_SCHEMA, OPERATORS, QUERY_PARTS, TABLE_FUNCTIONS},
};
use crate::Error;

/// Lets a statement through or not. `serialize` makes DuckDB's tree of it, as JSON text; `tables` are the relations that
/// there are.
///
/// # Errors
/// [`Error::Refused`] naming the construct, [`Error::Sql`] when it does not parse, [`Error::TooLarge`], and what
/// `serialize` answers.
pub(crate) fn check(
    sql: &str,
    tables: &[String],
    serialize: impl FnOnce(&str) -> Result<String, Error>,
) -> Result<UsedTables, Error> {
    check_text(sql)?;
    let tree = serialize(sql)?;
    // Not `serde_json::from_str` as it is: its limit of depth is below what DuckDB lets through.
    let tree: Value = serde_json::from_str(&tree).map_err(|_| {
        Error::refused_with_hint(
            "the statement is nested too deeply",
            "Split it into WITH queries, and long chains of operators into lists.",
        )
    })?;
    if tree["error"] == Value::Bool(true) {
        return Err(serialization_error(sql, &tree));
    }
    let statements = tree["statements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [statement] = statements else {
        return Err(match statements.len() {
            0 => Error::refused("the statement is empty"),
            count => Error::refused_with_hint(
                format!("{count} statements at once"),
                "Send one statement; join what belongs together by WITH.",
            ),
        });
    };
    let mut names = Names {
        tables: tables.iter().map(|name| name.to_lowercase()).collect(),
        ctes: HashSet::new(),
        used: RefCell::new(UsedTables::These(HashSet::new())),
    };
    collect_ctes(statement, &mut names.ctes);
    walk(statement, &names)?;
    Ok(names.used.into_inner())
}

/// The tables that a statement names.
#[derive(Debug, PartialEq)]
pub(crate) enum UsedTables {
    /// It lists what there is.
    All,
    /// Those of these names, in lower case.
    These(HashSet<String>),
}

/// What relations a statement may name, in lower case.
struct Names {
    tables: HashSet<String>,
    ctes: HashSet<String>,
    used: RefCell<UsedTables>,
}

fn serialization_error(sql: &str, tree: &Value) -> Error {
    let message = tree["error_message"].as_str().unwrap_or("the statement could not be read");
    if message.starts_with("Only SELECT") {
        let verb: String =
            sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_uppercase();
        let hint = if verb == "PIVOT" {
            "Write the pivot as a SELECT: FROM t PIVOT (sum(x) FOR y IN ('a', 'b'))."
        } else {
            "Write one SELECT; it can only read."
        };
        return Error::refused_with_hint(format!("{verb} is not allowed: only one SELECT is"), hint);
    }
    let position =
        tree["position"].as_str().and_then(|text| text.parse::<u32>().ok()).map(|offset| offset + 1);
    Error::Sql { message: message.to_owned(), position, hint: None }
}

fn collect_ctes(value: &Value, ctes: &mut HashSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_ctes(item, ctes)),
        Value::Object(fields) => {
            for (name, inner) in fields {
                if name == "cte_map" {
                    let entries = inner["map"].as_array().map(Vec::as_slice).unwrap_or_default();
                    ctes.extend(
                        entries.iter().filter_map(|entry| entry["key"].as_str()).map(str::to_lowercase),
                    );
                }
                collect_ctes(inner, ctes);
            }
        }
        _ => {}
    }
}

fn walk(value: &Value, names: &Names) -> Result<(), Error> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| walk(item, names)),
        Value::Object(fields) => {
            let class = fields.get("class").and_then(Value::as_str);
            let kind = fields.get("type").and_then(Value::as_str);
            match (class, kind) {
                (Some("CONSTANT"), _) => return Ok(()),
                (Some(class), _) => check_expression(class, fields)?,
                (None, Some(kind)) => check_query_part(kind, fields, names)?,
                (None, None) => {}
            }
            for (name, inner) in fields {
                // Types only name how a value is read; a table function was looked at with its relation.
                let is_type = name == "cast_type" || name == "type_info";
                let is_table_function = name == "function" && kind == Some("TABLE_FUNCTION");
                if is_type {
                    continue;
                }
                if is_table_function {
                    walk(&inner["children"], names)?;
                    continue;
                }
                walk(inner, names)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn text<'value>(fields: &'value Map<String, Value>, name: &str) -> &'value str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn check_expression(class: &str, fields: &Map<String, Value>) -> Result<(), Error> {
    if !EXPRESSIONS.contains(class) {
        let word = if class == "PARAMETER" { "a parameter such as ? or $1" } else { class };
        return Err(Error::refused(format!("{word} is not allowed")));
    }
    if class == "FUNCTION" || class == "WINDOW" {
        return check_function(fields, &FUNCTIONS);
    }
    Ok(())
}

fn check_function(fields: &Map<String, Value>, allowed: &HashSet<&str>) -> Result<(), Error> {
    let name = text(fields, "function_name").to_lowercase();
    let (catalog, schema) = (text(fields, "catalog"), text(fields, "schema"));
    if !(catalog.is_empty() || catalog == "system") || !matches!(schema, "" | "main" | "pg_catalog") {
        return Err(Error::refused(format!(
            "the function {schema}.{name}() is not allowed: leave out the schema"
        )));
    }
    if allowed.contains(name.as_str()) || OPERATORS.contains(name.as_str()) {
        return Ok(());
    }
    Err(Error::refused_with_hint(
        format!("the function {name}() is not allowed: it is not on the list of functions that only compute"),
        "Use aggregate, window, date, text, number, list and JSON functions over the connection's tables.",
    ))
}

fn check_query_part(kind: &str, fields: &Map<String, Value>, names: &Names) -> Result<(), Error> {
    // The items of ORDER BY have a type, too: their direction.
    let is_order = fields.contains_key("null_order") && fields.contains_key("expression");
    if is_order || kind.ends_with("_TYPE_INFO") {
        return Ok(());
    }
    if !QUERY_PARTS.contains(kind) {
        return Err(Error::refused(format!("{kind} is not allowed")));
    }
    match kind {
        "BASE_TABLE" => check_relation(fields, names),
        "TABLE_FUNCTION" => match fields.get("function").and_then(Value::as_object) {
            Some(function) => check_function(function, &TABLE_FUNCTIONS),
            None => Err(Error::refused("a function in FROM could not be read")),
        },
        "SHOW_REF" if fields.get("query").is_none_or(Value::is_null) => {
            let what = text(fields, "table_name").trim_matches('"');
            if what == "tables" {
                names.used.replace(UsedTables::All);
                return Ok(());
            }
            Err(Error::refused(format!("SHOW {what} is not allowed")))
        }
        _ => Ok(()),
    }
}

fn check_relation(fields: &Map<String, Value>, names: &Names) -> Result<(), Error> {
    let (catalog, schema, relation) =
        (text(fields, "catalog_name"), text(fields, "schema_name"), text(fields, "table_name"));
    if fields.get("at_clause").is_some_and(|clause| !clause.is_null()) {
        return Err(Error::refused("AT (…) is not allowed"));
    }
    let lower = relation.to_lowercase();
    let is_plain = catalog.is_empty() || catalog == "memory";
    if is_plain && schema == "information_schema" && INFORMATION_SCHEMA.contains(&lower.as_str()) {
        names.used.replace(UsedTables::All);
        return Ok(());
    }
    if is_plain && matches!(schema, "" | "main") && names.tables.contains(&lower) {
        if let UsedTables::These(used) = &mut *names.used.borrow_mut() {
            used.insert(lower);
        }
        return Ok(());
    }
    // A name that could be a file is no name of a CTE: outside the CTE's scope DuckDB would take it for the file.
    let could_be_a_file = relation.contains(['/', '\\', '.', ':', '*', '?', '~']);
    if catalog.is_empty() && schema.is_empty() && names.ctes.contains(&lower) && !could_be_a_file {
        return Ok(());
    }
    let written: Vec<&str> =
        [catalog, schema, relation].into_iter().filter(|part| !part.is_empty()).collect();
    let mut known: Vec<&str> = names.tables.iter().map(String::as_str).collect();
    known.sort_unstable();
    known.truncate(20);
    Err(Error::refused_with_hint(
        format!("{} is not a table of this connection", written.join(".")),
        format!("The tables are: {}.", known.join(", ")),
    ))
}
