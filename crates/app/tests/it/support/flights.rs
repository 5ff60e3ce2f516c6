//! The flights of the test data in a PostgreSQL of their own, reached over TCP as a role that may only read.

use std::{io::Write as _, path::Path, process::Command, thread};

use testkit::TestServer;

use super::free_port;

const TABLES: &str = "
CREATE TABLE airlines (carrier text PRIMARY KEY, name text NOT NULL);
CREATE TABLE airports (faa text PRIMARY KEY, name text, lat float8, lon float8, alt int, tz int, dst text, tzone text);
CREATE TABLE planes (tailnum text PRIMARY KEY, year int, type text, manufacturer text, model text, engines int, seats int,
    speed int, engine text);
CREATE TABLE weather (origin text, year int, month int, day int, hour int, temp float8, dewp float8, humid float8,
    wind_dir int, wind_speed float8, wind_gust float8, precip float8, pressure float8, visib float8, time_hour timestamptz);
CREATE TABLE flights (year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int,
    sched_arr_time int, arr_delay int, carrier text, flight int, tailnum text, origin text, dest text, air_time int,
    distance int, hour int, minute int, time_hour timestamptz);
CREATE ROLE reader LOGIN PASSWORD 'reader-secret';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
";

/// A running server with the flights.
pub(crate) struct FlightsServer {
    pub(crate) port: u16,
    _server: TestServer,
}

impl FlightsServer {
    /// Starts it and loads `folder`'s files with `psql`. Must be started on a thread that outlives its use.
    pub(crate) fn start(folder: &str) -> Self {
        let port = free_port();
        let server = TestServer::start(Some(port));
        psql(&server.url("postgres"), "CREATE DATABASE flights");
        let url = server.url("flights");
        psql(&url, TABLES);
        for table in ["airlines", "airports", "planes", "weather", "flights"] {
            let file = Path::new(folder).join(format!("{table}.csv.gz"));
            psql(&url, &format!("\\copy {table} FROM PROGRAM 'gzip -dc {}' CSV HEADER", file.display()));
        }
        psql(&url, "ANALYZE");
        Self { port, _server: server }
    }
}

fn psql(url: &str, script: &str) {
    let mut child = Command::new("psql")
        .args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", url])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("psql runs");
    let mut stdin = child.stdin.take().expect("standard input");
    let script = script.to_owned();
    let writer = thread::spawn(move || stdin.write_all(script.as_bytes()));
    let status = child.wait().expect("psql ends");
    writer.join().expect("written").expect("written");
    assert!(status.success(), "psql failed");
}
