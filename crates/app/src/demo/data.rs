//! The demo company's data: Lumen Desk, an invented maker of four office programs, sold by subscription.
//!
//! Every day's rows are a pure function of the date, so that a restart days later adds the days since and changes nothing
//! before. One anomaly is planted: in the last full week before the first start, Flow's orders from Germany, France and the
//! United Kingdom fall by more than half.

use std::{
    fmt::Write as _,
    fs,
    io::{BufWriter, Write as _},
    path::Path,
};

use anyhow::Context;
use chrono::{Datelike, Days, Months, NaiveDate, Weekday};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SEED: u64 = 20_260_114;
const HISTORY_MONTHS: u32 = 18;

struct Product {
    name: &'static str,
    category: &'static str,
    monthly_price: f64,
    launched_on: &'static str,
    /// Sign-ups on an average weekday when history begins, and by how much of that they grow in a year.
    daily_signups: f64,
    yearly_growth: f64,
}

const PRODUCTS: [Product; 4] = [
    Product {
        name: "Desk",
        category: "Planning",
        monthly_price: 12.0,
        launched_on: "2021-03-01",
        daily_signups: 46.0,
        yearly_growth: 0.25,
    },
    Product {
        name: "Flow",
        category: "Automation",
        monthly_price: 29.0,
        launched_on: "2022-05-16",
        daily_signups: 31.0,
        yearly_growth: 0.55,
    },
    Product {
        name: "Vault",
        category: "Documents",
        monthly_price: 19.0,
        launched_on: "2023-01-09",
        daily_signups: 22.0,
        yearly_growth: 0.10,
    },
    Product {
        name: "Pulse",
        category: "Analytics",
        monthly_price: 49.0,
        launched_on: "2024-02-12",
        daily_signups: 9.0,
        yearly_growth: 0.90,
    },
];

/// Country, region, share of customers.
const COUNTRIES: [(&str, &str, f64); 8] = [
    ("United States", "Americas", 0.34),
    ("Germany", "EMEA", 0.16),
    ("United Kingdom", "EMEA", 0.13),
    ("France", "EMEA", 0.10),
    ("Canada", "Americas", 0.08),
    ("Japan", "APAC", 0.08),
    ("Australia", "APAC", 0.06),
    ("Brazil", "Americas", 0.05),
];

const CHANNELS: [(&str, f64); 5] =
    [("Search", 0.36), ("Referral", 0.22), ("Partner", 0.16), ("Social", 0.15), ("Events", 0.11)];
const PLANS: [(&str, f64, f64); 3] = [("Starter", 0.58, 1.0), ("Team", 0.32, 0.9), ("Business", 0.10, 0.8)];

const ANOMALY_COUNTRIES: [&str; 3] = ["Germany", "France", "United Kingdom"];

/// Writes `products.csv`, `countries.csv`, `signups.csv` and `orders.csv` into `folder`, up to and including the day before
/// `today`. `anomaly_week` is the Monday of the week of the planted anomaly.
pub(crate) fn write(
    folder: &Path,
    today: NaiveDate,
    first_day: NaiveDate,
    anomaly_week: NaiveDate,
) -> anyhow::Result<u64> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut products = String::from("product,category,monthly_price,launched_on\n");
    for product in &PRODUCTS {
        writeln!(
            products,
            "{},{},{:.2},{}",
            product.name, product.category, product.monthly_price, product.launched_on
        )?;
    }
    replace(&folder.join("products.csv"), |file| Ok(file.write_all(products.as_bytes())?))?;
    let mut countries = String::from("country,region\n");
    for (country, region, _) in COUNTRIES {
        writeln!(countries, "{country},{region}")?;
    }
    replace(&folder.join("countries.csv"), |file| Ok(file.write_all(countries.as_bytes())?))?;

    let mut rows = 0;
    replace(&folder.join("signups.csv"), |file| {
        writeln!(file, "signup_id,signed_up_at,product,country,channel,plan")?;
        let mut id = 0;
        for day in days(first_day, today) {
            for signup in signups_of(day, first_day) {
                id += 1;
                let Event { second, product, country, channel, plan, .. } = signup;
                writeln!(file, "{id},{day}T{},{product},{country},{channel},{plan}", clock(second))?;
            }
        }
        rows += id;
        Ok(())
    })?;
    replace(&folder.join("orders.csv"), |file| {
        writeln!(file, "order_id,ordered_at,product,country,plan,seats,amount")?;
        let mut id = 0;
        for day in days(first_day, today) {
            let is_anomalous = (anomaly_week..anomaly_week + Days::new(7)).contains(&day);
            for order in orders_of(day, first_day, is_anomalous) {
                id += 1;
                let Event { second, product, country, plan, seats, amount, .. } = order;
                writeln!(
                    file,
                    "{id},{day}T{},{product},{country},{plan},{seats},{amount:.2}",
                    clock(second)
                )?;
            }
        }
        rows += id;
        Ok(())
    })?;
    Ok(rows)
}

/// The first day of history for a first start on `today`: the first of a month, 18 months back.
pub(crate) fn first_day(today: NaiveDate) -> NaiveDate {
    let start = today.checked_sub_months(Months::new(HISTORY_MONTHS)).unwrap_or(today);
    start.with_day(1).unwrap_or(start)
}

/// The Monday of the last full week before `today`.
pub(crate) fn last_full_week(today: NaiveDate) -> NaiveDate {
    today.week(Weekday::Mon).first_day() - Days::new(7)
}

struct Event {
    second: u32,
    product: &'static str,
    country: &'static str,
    channel: &'static str,
    plan: &'static str,
    seats: u32,
    amount: f64,
}

fn signups_of(day: NaiveDate, first_day: NaiveDate) -> Vec<Event> {
    let mut rng = rng_of(day, 1);
    let mut events = Vec::new();
    for product in &PRODUCTS {
        let expected = expected_signups(product, day, first_day);
        for _ in 0..count_around(expected, &mut rng) {
            let (country, ..) = pick(&COUNTRIES, |entry| entry.2, &mut rng);
            let (channel, _) = pick(&CHANNELS, |entry| entry.1, &mut rng);
            let (plan, ..) = pick(&PLANS, |entry| entry.1, &mut rng);
            events.push(Event {
                second: second_of_day(&mut rng),
                product: product.name,
                country,
                channel,
                plan,
                seats: 0,
                amount: 0.0,
            });
        }
    }
    events.sort_by_key(|event| event.second);
    events
}

fn orders_of(day: NaiveDate, first_day: NaiveDate, is_anomalous: bool) -> Vec<Event> {
    let mut rng = rng_of(day, 2);
    let mut events = Vec::new();
    for product in &PRODUCTS {
        // Customers order more seats long after they signed up: orders follow sign-ups, a little more of them.
        let expected = expected_signups(product, day, first_day) * 1.15;
        for _ in 0..count_around(expected, &mut rng) {
            let (country, ..) = pick(&COUNTRIES, |entry| entry.2, &mut rng);
            let (plan, _, price_factor) = pick(&PLANS, |entry| entry.1, &mut rng);
            let seats = match *plan {
                "Starter" => rng.random_range(1..=4),
                "Team" => rng.random_range(4..=18),
                _ => rng.random_range(15..=70),
            };
            let amount = (product.monthly_price * f64::from(seats) * price_factor * 100.0).round() / 100.0;
            let second = second_of_day(&mut rng);
            // Drawn for every order, so that the anomaly removes orders and changes no other.
            let is_lost = rng.random_bool(0.62);
            if is_anomalous && product.name == "Flow" && ANOMALY_COUNTRIES.contains(country) && is_lost {
                continue;
            }
            events.push(Event { second, product: product.name, country, channel: "", plan, seats, amount });
        }
    }
    events.sort_by_key(|event| event.second);
    events
}

fn expected_signups(product: &Product, day: NaiveDate, first_day: NaiveDate) -> f64 {
    let years = (day - first_day).num_days() as f64 / 365.25;
    let weekday = match day.weekday() {
        Weekday::Sat => 0.42,
        Weekday::Sun => 0.38,
        Weekday::Mon => 1.12,
        Weekday::Fri => 0.93,
        _ => 1.04,
    };
    // Offices buy least in August and around the new year, most in autumn.
    let season = match day.month() {
        1 | 12 => 0.90,
        7 => 0.92,
        8 => 0.84,
        9..=11 => 1.10,
        _ => 1.0,
    };
    product.daily_signups * (1.0 + product.yearly_growth * years) * weekday * season
}

fn rng_of(day: NaiveDate, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED ^ day.num_days_from_ce() as u64);
    rng.set_stream(stream);
    rng
}

/// A whole number around `expected`, with about the spread of a Poisson distribution.
fn count_around(expected: f64, rng: &mut impl Rng) -> u32 {
    // The sum of four uniform draws is near enough to a normal one.
    let noise: f64 = (0..4).map(|_| rng.random_range(-1.0..1.0)).sum::<f64>() / 1.155;
    (expected + noise * expected.sqrt()).round().max(0.0) as u32
}

fn second_of_day(rng: &mut impl Rng) -> u32 {
    // Busiest around two in the afternoon.
    let noise: f64 = (0..3).map(|_| rng.random_range(-1.0..1.0)).sum();
    (((14.0 + noise * 4.5) * 3600.0) as u32).min(86_399)
}

fn pick<'a, T>(entries: &'a [T], share: impl Fn(&T) -> f64, rng: &mut impl Rng) -> &'a T {
    let mut left = rng.random_range(0.0..1.0);
    for entry in entries {
        left -= share(entry);
        if left < 0.0 {
            return entry;
        }
    }
    &entries[entries.len() - 1]
}

fn days(first: NaiveDate, end: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    first.iter_days().take_while(move |day| *day < end)
}

fn clock(second: u32) -> String {
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Writes a file whole or not at all.
fn replace(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<fs::File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let unfinished = path.with_extension("csv.new");
    let mut file = BufWriter::new(fs::File::create(&unfinished)?);
    fill(&mut file)?;
    file.flush()?;
    fs::rename(&unfinished, path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("date")
    }

    #[test]
    fn days_later_the_past_is_the_same_and_the_new_days_follow() {
        let folder = tempfile::tempdir().expect("folder");
        let (first, week) = (first_day(date("2026-03-18")), last_full_week(date("2026-03-18")));
        let rows = write(folder.path(), date("2026-03-18"), first, week).expect("written");
        assert!(rows >= 100_000, "{rows} rows");
        let orders = fs::read_to_string(folder.path().join("orders.csv")).expect("orders");
        let more = write(folder.path(), date("2026-03-20"), first, week).expect("written");
        assert!(more > rows);
        let later = fs::read_to_string(folder.path().join("orders.csv")).expect("orders");
        assert!(later.starts_with(&orders));
    }

    #[test]
    fn the_anomaly_lowers_one_product_in_three_countries_in_its_week_only() {
        let first = first_day(date("2026-03-18"));
        let day = date("2026-03-11");
        let (usual, lowered) = (orders_of(day, first, false), orders_of(day, first, true));
        let touched = |event: &&Event| event.product == "Flow" && ANOMALY_COUNTRIES.contains(&event.country);
        let (before, after) = (usual.iter().filter(touched).count(), lowered.iter().filter(touched).count());
        assert!(after * 2 < before, "{before} to {after}");
        assert_eq!(usual.len() - before, lowered.len() - after);
        assert_eq!(last_full_week(date("2026-03-18")), date("2026-03-09"));
    }
}
