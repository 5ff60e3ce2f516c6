//! The directions in which the crates may depend on one another, and who may name which library. A broken one is a red build.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// A crate, and which of ours it may depend on. `testkit` serves tests and measurements only, `bench` measurements only.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("net", &[]),
    ("slack", &["domain", "net"]),
    ("store", &["domain"]),
    ("warehouse", &["domain", "net"]),
    ("chart", &["domain"]),
    ("scheduler", &["domain", "store"]),
    ("agent", &["domain", "store", "net", "warehouse", "chart"]),
    ("notifier", &["domain", "store", "net", "slack", "chart"]),
    ("api", &["domain", "store", "net", "slack", "warehouse", "chart"]),
    (
        "app",
        &[
            "domain",
            "store",
            "net",
            "slack",
            "warehouse",
            "chart",
            "scheduler",
            "agent",
            "notifier",
            "api",
            "bench",
        ],
    ),
    ("testkit", &["domain", "store", "net"]),
    (
        "bench",
        &[
            "domain",
            "store",
            "net",
            "slack",
            "warehouse",
            "chart",
            "scheduler",
            "agent",
            "notifier",
            "testkit",
        ],
    ),
];

/// A library, and who alone may name it. Tests may name any.
const ONLY: &[(&str, &[&str])] = &[
    ("sqlx", &["store", "testkit", "bench"]),
    ("axum", &["api", "app", "testkit"]),
    ("duckdb", &["warehouse"]),
    ("tokio-postgres", &["warehouse"]),
    ("lettre", &["notifier"]),
    ("async-openai", &["agent"]),
    ("rquickjs", &["chart"]),
];

/// Package name to the names of its dependencies outside tests.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let names = package["dependencies"].as_array().expect("dependencies").iter();
            let names = names.filter(|dependency| dependency["kind"].as_str() != Some("dev"));
            let names = names.map(|dependency| dependency["name"].as_str().expect("a name").to_owned());
            (package["name"].as_str().expect("a name").to_owned(), names.collect())
        })
        .collect()
}

fn violations(dependencies: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut violations = Vec::new();
    for (package, names) in dependencies {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == package) else {
            violations.push(format!("{package} is not in the list of crates"));
            continue;
        };
        for name in names {
            let is_ours = dependencies.contains_key(name);
            if is_ours && !allowed.contains(&name.as_str()) {
                violations.push(format!("{package} must not depend on {name}"));
            }
            if let Some((_, namers)) = ONLY.iter().find(|(library, _)| library == name)
                && !namers.contains(&package.as_str())
            {
                violations.push(format!("{package} must not name {name}"));
            }
        }
    }
    violations
}

#[test]
fn crates_depend_inward() {
    let dependencies = dependencies();
    assert!(dependencies.len() >= 10, "cargo metadata lists the workspace");
    assert_eq!(violations(&dependencies), Vec::<String>::new());
}

#[test]
fn a_broken_direction_is_found() {
    let broken = BTreeMap::from([
        ("domain".to_owned(), vec!["store".to_owned()]),
        ("store".to_owned(), vec!["domain".to_owned(), "axum".to_owned()]),
        ("stranger".to_owned(), vec![]),
    ]);
    assert_eq!(
        violations(&broken),
        [
            "domain must not depend on store",
            "store must not name axum",
            "stranger is not in the list of crates"
        ]
    );
}
