//! The kinds of charts that answers draw, drawn. The pictures land in `target/tmp/gallery`, to be looked at.

use std::{fs, path::Path, time::Instant};

use chart::Options;

#[test]
fn every_kind_is_drawn() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gallery");
    fs::create_dir_all(&folder).expect("a folder for pictures");
    for (name, spec, table) in crate::samples::gallery().into_iter().chain(crate::samples::awkward()) {
        let started = Instant::now();
        let prepared = match chart::prepare(&spec, &table, &Options::default()) {
            Ok(prepared) => prepared,
            Err(failure) => panic!("{name}: {failure}: {}", failure.hint()),
        };
        let prepare_ms = started.elapsed().as_millis();
        let started = Instant::now();
        let rendered = chart::render(&prepared).expect("a chart that can be rendered");
        println!(
            "{name:24} prepare {prepare_ms:4} ms, render {:4} ms, {}x{}, SVG {:3} KB, PNG {:3} KB\n    {}",
            started.elapsed().as_millis(),
            prepared.width,
            prepared.height,
            rendered.svg.len() / 1024,
            rendered.png.len() / 1024,
            prepared.alt,
        );
        fs::write(folder.join(format!("{name}.png")), &rendered.png).expect("a picture is written");
        fs::write(folder.join(format!("{name}.svg")), &rendered.svg).expect("a picture is written");
        fs::write(folder.join(format!("{name}.vega.json")), prepared.vega.to_string())
            .expect("a spec is written");
        assert!(prepared.width.abs_diff(600) <= 4, "{name} is {} wide", prepared.width);
    }
}
