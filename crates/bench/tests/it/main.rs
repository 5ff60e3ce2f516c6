//! The bench runs to its end. No figure of speed is a test.

use bench::{Options, Part, Size};

/// Parts that need neither Node.js nor the binary.
const PARTS: [Part; 7] =
    [Part::Queue, Part::Growth, Part::Tick, Part::Lateness, Part::Claims, Part::RunNow, Part::FanOut];

#[test]
fn every_part_that_needs_nothing_else_comes_to_figures() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        folder: folder.path().to_owned(),
        size: Size::TINY,
        parts: PARTS.to_vec(),
        tidings: None,
        yardstick: None,
    };
    let report = bench::run(&options).expect("a report");
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    for part in PARTS {
        assert!(report.rows.iter().any(|row| row.part == part), "{part} has no line");
    }
    for row in &report.rows {
        assert!(row.figure.min() >= 0.0 && row.figure.max().is_finite(), "{row:?}");
    }
    let left = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 0, "the server's folder goes with it");
}
