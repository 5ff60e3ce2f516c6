//! The hues of the theme, as the three kinds of colour-blind readers see them.

use std::fmt::Write;

use sha2::{Digest, Sha256};

type Rgb = [f64; 3];

/// How missing cones mix linear red, green and blue: Machado, Oliveira and Fernandes 2009, severity 1.
const SIGHTS: [(&str, [Rgb; 3]); 4] = [
    ("full", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

/// The least distance in Lab; what two patches side by side are told apart by is about 2.
const LEAST_DISTANCE: f64 = 18.0;

fn linear(hex: &str) -> Rgb {
    [1, 3, 5].map(|start| {
        let level =
            f64::from(u8::from_str_radix(&hex[start..start + 2], 16).expect("hexadecimal digits")) / 255.0;
        if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
    })
}

fn dot(one: Rgb, other: Rgb) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn lab(colour: Rgb) -> Rgb {
    let bend = |value: f64| if value > 0.008_856 { value.cbrt() } else { 7.787 * value + 16.0 / 116.0 };
    let x = bend(dot(colour, [0.4124, 0.3576, 0.1805]) / 0.950_47);
    let y = bend(dot(colour, [0.2126, 0.7152, 0.0722]));
    let z = bend(dot(colour, [0.0193, 0.1192, 0.9505]) / 1.088_83);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// The pairs of `series` in the theme: light, dark.
fn series() -> Vec<[String; 2]> {
    let theme = include_str!("../../js/src/theme.js");
    let list = theme
        .split_once("export const series = [")
        .and_then(|(_, rest)| rest.split_once("];"))
        .expect("the series")
        .0;
    let pairs = list.lines().filter_map(|line| {
        let mut hues = line.split('\'').filter(|part| part.starts_with('#')).map(str::to_owned);
        Some([hues.next()?, hues.next()?])
    });
    pairs.collect()
}

#[test]
fn ten_hues_are_told_apart_by_every_kind_of_sight() {
    let series = series();
    assert_eq!(series.len(), 10);
    for look in [0, 1] {
        for (sight, mix) in SIGHTS {
            let seen: Vec<Rgb> = series
                .iter()
                .map(|pair| lab(mix.map(|row| dot(row, linear(&pair[look])).clamp(0.0, 1.0))))
                .collect();
            for (place, one) in seen.iter().enumerate() {
                for (other_place, other) in seen.iter().enumerate().skip(place + 1) {
                    let difference = [0, 1, 2].map(|part| one[part] - other[part]);
                    let distance = dot(difference, difference).sqrt();
                    let names = (&series[place][look], &series[other_place][look]);
                    assert!(distance > LEAST_DISTANCE, "{names:?} look alike ({distance:.1}) to {sight}");
                }
            }
        }
    }
}

#[test]
fn the_committed_engine_was_built_from_these_sources() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    let listed = std::fs::read_dir(folder.join("src")).expect("the sources");
    let mut names: Vec<String> = listed
        .map(|entry| format!("src/{}", entry.expect("a source").file_name().to_string_lossy()))
        .collect();
    names.sort();
    names.push("package-lock.json".to_owned());
    let mut digest = Sha256::new();
    for name in names {
        digest.update(format!("{name}\n"));
        digest.update(std::fs::read(folder.join(name)).expect("a source"));
    }
    let hex = digest.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let bundle = include_str!("../../generated/engine.mjs");
    let banner = bundle.lines().next().unwrap_or_default();
    assert!(banner.ends_with(&hex), "engine.mjs is stale: run `npm run build` in crates/chart/js");
}
