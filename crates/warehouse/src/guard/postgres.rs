//! The guard of PostgreSQL statements, over the tree that PostgreSQL's own parser makes.

use serde_json::{Map, Value};

use super::{
    check_text, on_a_deep_stack,
    postgres_names::{
        FIELDS, FORBIDDEN_TYPES, FUNCTIONS, INFORMATION_SCHEMA, NODE_WORDS, NODES, OPERATORS, STRUCT_FIELDS,
        TYPES,
    },
};
use crate::Error;

/// The one statement in `sql`, without what surrounds it, when it may run.
///
/// # Errors
/// [`Error::Refused`] naming the construct, [`Error::Sql`] when it does not parse, [`Error::TooLarge`].
pub(crate) fn check(sql: &str) -> Result<&str, Error> {
    check_text(sql)?;
    on_a_deep_stack(|| {
        let parsed = pg_query::parse(sql, 0).map_err(|error| parse_error(&error))?;
        let [statement] = parsed.protobuf.stmts.as_slice() else {
            return Err(match parsed.protobuf.stmts.len() {
                0 => Error::refused("the statement is empty"),
                count => Error::refused_with_hint(
                    format!("{count} statements at once"),
                    "Send one statement; join what belongs together by WITH.",
                ),
            });
        };
        let tree = serde_json::to_value(&statement.stmt)
            .map_err(|_| Error::refused("the statement could not be read"))?;
        let kind = node_kind(&tree).map_or("", |(kind, _)| kind);
        if kind != "SelectStmt" {
            return Err(Error::refused_with_hint(
                format!("{} is not allowed: only SELECT is", node_word(kind)),
                "Write one SELECT; it can only read.",
            ));
        }
        walk(&tree)?;
        Ok(slice(sql, statement.stmt_location, statement.stmt_len))
    })
}

fn parse_error(error: &pg_query::Error) -> Error {
    match error {
        pg_query::Error::Parse(message) => {
            Error::Sql { message: message.clone(), position: None, hint: None }
        }
        _ => Error::refused_with_hint(
            "the statement is nested too deeply",
            "Split it into WITH queries, and long chains of operators into lists.",
        ),
    }
}

/// The statement's own text: no semicolon, no comment behind it.
fn slice(sql: &str, location: i32, length: i32) -> &str {
    let start = usize::try_from(location).unwrap_or(0);
    let end = match usize::try_from(length) {
        Ok(length) if length > 0 => start + length,
        _ => sql.len(),
    };
    sql.get(start..end).unwrap_or(sql)
}

/// `{"node": {"Kind": {…}}}` as kind and body.
fn node_kind(value: &Value) -> Option<(&str, &Value)> {
    let (kind, body) = value.get("node")?.as_object()?.iter().next()?;
    Some((kind, body))
}

fn node_word(kind: &str) -> &str {
    NODE_WORDS.iter().find(|(name, _)| *name == kind).map_or(kind, |(_, word)| word)
}

fn walk(node: &Value) -> Result<(), Error> {
    match node_kind(node) {
        Some((kind, body)) => walk_body(kind, body),
        None => Ok(()),
    }
}

fn walk_body(kind: &str, body: &Value) -> Result<(), Error> {
    if !NODES.contains(kind) {
        return Err(Error::refused(format!("{} is not allowed", node_word(kind))));
    }
    let Some(fields) = body.as_object() else {
        return Err(Error::refused(format!("{kind} could not be read")));
    };
    check_node(kind, fields)?;
    for (name, value) in fields {
        // A constant's value is wrapped once more, and is a value only.
        if kind == "AConst" && name == "val" {
            continue;
        }
        walk_field(kind, name, value)?;
    }
    Ok(())
}

fn walk_field(kind: &str, name: &str, value: &Value) -> Result<(), Error> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        Value::Array(items) => {
            for item in items {
                if item.get("node").is_none() {
                    return Err(Error::refused(format!("{kind}.{name} is not allowed")));
                }
                walk(item)?;
            }
            Ok(())
        }
        Value::Object(inner) if inner.contains_key("node") => walk(value),
        Value::Object(_) => match STRUCT_FIELDS.iter().find(|(field, _)| *field == name) {
            Some((_, inner_kind)) => walk_body(inner_kind, value),
            None if name == "into_clause" => {
                Err(Error::refused("SELECT INTO is not allowed: it creates a table"))
            }
            None => Err(Error::refused(format!("{} is not allowed", name.replace('_', " ")))),
        },
    }
}

/// What a node of a known kind may not be.
fn check_node(kind: &str, fields: &Map<String, Value>) -> Result<(), Error> {
    match kind {
        "FuncCall" => check_function(&names(&fields["funcname"])),
        "AExpr" => check_operator(&names(&fields["name"])),
        "SubLink" => check_operator(&names(&fields["oper_name"])),
        "SortBy" => check_operator(&names(&fields["use_op"])),
        "TypeName" => check_type(fields),
        "ColumnRef" => check_column(&names(&fields["fields"])),
        "AIndirection" => check_fields(&names(&fields["indirection"])),
        "RangeVar" => check_relation(fields),
        "RangeTableSample" => match names(&fields["method"]).as_slice() {
            [method] if ["bernoulli", "system"].contains(method) => Ok(()),
            other => Err(Error::refused(format!("TABLESAMPLE {} is not allowed", other.join(".")))),
        },
        "SqlvalueFunction" => check_value_function(fields),
        _ => Ok(()),
    }
}

/// The strings of a list of nodes; what is no string is left out (it is walked on its own).
fn names(list: &Value) -> Vec<&str> {
    let Some(items) = list.as_array() else { return Vec::new() };
    items
        .iter()
        .filter_map(|item| match node_kind(item) {
            Some(("String", body)) => body.get("sval").and_then(Value::as_str),
            _ => None,
        })
        .collect()
}

fn check_function(name: &[&str]) -> Result<(), Error> {
    let bare = match name {
        [bare] | ["pg_catalog", bare] => *bare,
        _ => {
            return Err(Error::refused_with_hint(
                format!(
                    "the function {}() is not allowed: it is not one of PostgreSQL's own",
                    name.join(".")
                ),
                "Use PostgreSQL's own functions, without a schema.",
            ));
        }
    };
    if FUNCTIONS.contains(bare) {
        return Ok(());
    }
    Err(Error::refused_with_hint(
        format!("the function {bare}() is not allowed: it is not on the list of functions that only compute"),
        "Use aggregate, window, date, text, number, array and JSON functions.",
    ))
}

fn check_operator(name: &[&str]) -> Result<(), Error> {
    match name {
        [] => Ok(()),
        [bare] | ["pg_catalog", bare] if OPERATORS.contains(*bare) || is_operator_word(bare) => Ok(()),
        other => Err(Error::refused(format!("the operator {} is not allowed", other.join(".")))),
    }
}

/// `a BETWEEN b AND c` and its like are operators of these names.
fn is_operator_word(name: &str) -> bool {
    matches!(name, "BETWEEN" | "NOT BETWEEN" | "BETWEEN SYMMETRIC" | "NOT BETWEEN SYMMETRIC")
}

fn check_type(fields: &Map<String, Value>) -> Result<(), Error> {
    let name = names(&fields["names"]);
    let refuse = || Err(Error::refused(format!("the type {} is not allowed", name.join("."))));
    if fields["setof"] == Value::Bool(true) || fields["pct_type"] == Value::Bool(true) {
        return refuse();
    }
    let (schema, bare) = match name.as_slice() {
        [bare] => ("", *bare),
        [schema, bare] => (*schema, *bare),
        // A table function's columns without a list of types.
        [] => return Ok(()),
        _ => return refuse(),
    };
    let plain = bare.trim_start_matches('_');
    if (schema.is_empty() || schema == "pg_catalog") && TYPES.contains(bare) {
        return Ok(());
    }
    // Types of the customer's own (enums, domains, composites) only read their text.
    let is_reserved = plain.starts_with("reg") || plain.starts_with("pg_") || FORBIDDEN_TYPES.contains(plain);
    if is_reserved || schema.starts_with("pg_") || schema == "information_schema" {
        return refuse();
    }
    Ok(())
}

fn check_column(name: &[&str]) -> Result<(), Error> {
    // `table.name` is the call `name(table)` when there is no such column.
    let Some((last, qualifiers)) = name.split_last() else { return Ok(()) };
    let is_call = !qualifiers.is_empty() && (last.starts_with("pg_") || last.starts_with("lo_"));
    if is_call || qualifiers.iter().any(|qualifier| is_system_schema(qualifier)) {
        return Err(Error::refused(format!("the column {} is not allowed", name.join("."))));
    }
    Ok(())
}

fn check_fields(names: &[&str]) -> Result<(), Error> {
    match names.iter().find(|name| !FIELDS.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Error::refused_with_hint(
            format!("picking the field (…).{name} is not allowed"),
            "Name the value in FROM (a subquery or LATERAL) and pick its column there.",
        )),
    }
}

fn is_system_schema(schema: &str) -> bool {
    schema.starts_with("pg_")
}

fn check_relation(fields: &Map<String, Value>) -> Result<(), Error> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let (catalog, schema, relation) = (text("catalogname"), text("schemaname"), text("relname"));
    if !catalog.is_empty() {
        return Err(Error::refused(format!("{catalog}.{schema}.{relation} names another database")));
    }
    let is_information = schema == "information_schema";
    let is_system = is_system_schema(schema)
        || (schema.is_empty() && relation.starts_with("pg_"))
        || (is_information && !INFORMATION_SCHEMA.contains(&relation));
    if is_system {
        let name = if schema.is_empty() { relation.to_owned() } else { format!("{schema}.{relation}") };
        return Err(Error::refused_with_hint(
            format!("the system table {name} is not allowed"),
            "Tables and columns are listed in information_schema.tables and information_schema.columns.",
        ));
    }
    Ok(())
}

fn check_value_function(fields: &Map<String, Value>) -> Result<(), Error> {
    use pg_query::protobuf::SqlValueFunctionOp as Op;
    let op =
        fields.get("op").and_then(Value::as_i64).and_then(|op| i32::try_from(op).ok()).unwrap_or_default();
    match Op::try_from(op) {
        Ok(
            Op::SvfopCurrentDate
            | Op::SvfopCurrentTime
            | Op::SvfopCurrentTimeN
            | Op::SvfopCurrentTimestamp
            | Op::SvfopCurrentTimestampN
            | Op::SvfopLocaltime
            | Op::SvfopLocaltimeN
            | Op::SvfopLocaltimestamp
            | Op::SvfopLocaltimestampN,
        ) => Ok(()),
        _ => Err(Error::refused(
            "only CURRENT_DATE, CURRENT_TIME, CURRENT_TIMESTAMP and their like are allowed",
        )),
    }
}
