//! What the notifier's tests share: a mail server by others, and example messages.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use domain::{
    answer::{Answer, Figure},
    table::{Cell, Column, ColumnType, Truncation},
};
use notifier::message::{Excerpt, Picture, Report};
use secrecy::SecretString;
use serde_json::Value;

/// How long anything may take before a test gives up waiting for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The root of the project.
pub(crate) fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// aiosmtpd in a process of its own: see `smtp_server.py`.
pub(crate) struct SmtpServer {
    process: Child,
    orders: ChildStdin,
    events: mpsc::Receiver<Value>,
    port: u16,
}

impl SmtpServer {
    /// Starts it on a free port.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let python = project_root().join(".tools/smtp/bin/python");
        assert!(python.exists(), "{} is missing: run `make tools-test`", python.display());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp_server.py");
        let mut process = Command::new(python)
            .args(["-W", "ignore"])
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                let Ok(line) = line else { break };
                let event = serde_json::from_str(&line).expect("an event in JSON");
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        let orders = process.stdin.take().expect("its input");
        let mut server = Self { process, orders, events, port: 0 };
        let listening = server.event("listening");
        server.port = listening["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        server
    }

    /// Its URL, with `credentials` (`user:password@`, or nothing) and a query.
    pub(crate) fn url(&self, credentials: &str, query: &str) -> SecretString {
        SecretString::from(format!("smtp://{credentials}127.0.0.1:{}{query}", self.port))
    }

    /// The next event.
    pub(crate) fn next_event(&self) -> Value {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    /// The next event of a kind; earlier ones of other kinds are passed over.
    pub(crate) fn event(&self, kind: &str) -> Value {
        loop {
            let event =
                self.events.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no event `{kind}` came"));
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// Ends it, and answers all events that were not taken yet.
    pub(crate) fn into_events(mut self) -> Vec<Value> {
        self.stop();
        self.events.iter().collect()
    }

    /// Lets mails to `held*` go on.
    pub(crate) fn release(&mut self) {
        self.orders.write_all(b"release\n").expect("the server listens");
    }

    /// Ends it, as when a mail server goes down.
    pub(crate) fn stop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        // Already stopped is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A figure.
pub(crate) fn figure(id: &str, text: &str, checked: bool) -> Figure {
    Figure { id: id.into(), text: text.into(), checked, expression: None, cells: vec![] }
}

/// A picture of a chart, as the chart crate draws it.
pub(crate) fn picture() -> Picture {
    Picture {
        title: "Flights by airline".into(),
        alt: "Bar chart. Flights by airline, from 54,173 (US Airways) to 58,665 (United).".into(),
        width: 552,
        png: std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/chart.png"))
            .expect("the picture")
            .into(),
    }
}

/// A report as most are: a headline, a short body, a chart, a table, a caveat.
pub(crate) fn usual_report() -> Report {
    let row = |name: &str, flights: i64, late: f64| {
        vec![Cell::Text(name.into()), Cell::Int(flights), Cell::Float(late), Cell::Text("2013-12-31".into())]
    };
    Report {
        title: "Airlines with the most flights".into(),
        answer: Answer {
            headline: "{{f1}} flew the most from New York: {{f2}} flights, {{f3}} ahead of JetBlue.".into(),
            body: "The five largest airlines made **{{f4}}** of all departures.\n\n\
                   - {{f1}} led with {{f2}} flights\n- JetBlue followed with {{f5}}\n- Delta was third\n\n\
                   Its share grew by {{f6}} since the year before, which `flights.year` does not show."
                .into(),
            figures: vec![
                figure("f1", "United Air Lines Inc.", true),
                figure("f2", "58,665", true),
                figure("f3", "4,030", true),
                figure("f4", "73.4%", true),
                figure("f5", "54,635", true),
                figure("f6", "2.1%", false),
            ],
            caveats: vec!["Cancelled flights are counted as flights.".into()],
            checked_share: 5.0 / 6.0,
            ..Answer::default()
        },
        asked_at: "2026-11-21T13:00:00Z".parse().expect("an instant"),
        as_of: "2026-11-21T13:05:00Z".parse().expect("an instant"),
        zone: chrono_tz::Europe::Berlin,
        results: vec![Excerpt {
            handle: "r1".into(),
            columns: vec![
                Column::new("airline", ColumnType::Text),
                Column::new("flights", ColumnType::Integer),
                Column::new("mean_delay_minutes", ColumnType::Float),
                Column::new("last_flight", ColumnType::Date),
            ],
            rows: vec![
                row("United Air Lines Inc.", 58_665, 12.106),
                row("JetBlue Airways", 54_635, 13.022),
                row("ExpressJet Airlines Inc.", 54_173, 19.955),
                row("Delta Air Lines Inc.", 48_110, 9.265),
                row("American Airlines Inc.", 32_729, 8.586),
            ],
            row_count: 16,
            truncated: None,
        }],
        pictures: vec![picture()],
        thread_url: "https://tidings.example.com/threads/019aa1b2-0000-7000-8000-000000000001".into(),
        unsubscribe_url: Some("https://tidings.example.com/unsubscribe/AbCdEf0123456789".into()),
        because: "You get this because Dana Levy chose you as a recipient in Tidings.".into(),
    }
}

/// A report in Hebrew, Arabic and English, with emoji, and with words that no line takes.
pub(crate) fn rtl_report() -> Report {
    let mut report = usual_report();
    let row = |name: &str, flights: i64| vec![Cell::Text(name.into()), Cell::Int(flights)];
    report.title = "טיסות לפי חברה ✈️".into();
    report.answer.headline = "‏{{f1}} הובילה עם {{f2}} טיסות 🎉".replace('\u{200f}', "");
    report.answer.body = "חמש החברות הגדולות ביצעו **{{f4}}** מכלל ההמראות.\n\n- {{f1}} הובילה עם {{f2}} טיסות\n\
        - אחריה JetBlue עם {{f5}}\n\nأكبر خمس شركات طيران قامت بمعظم الرحلات.\n\n> In English, with a family 👨‍👩‍👧‍👦 \
        and a flag 🇮🇱.\n\n"
        .to_owned()
        + &"Donaudampfschifffahrtsgesellschaft".repeat(6)
        + "\n\n| חברה | טיסות |\n|---|--:|\n| United | {{f2}} |\n| אל על | {{f5}} |";
    report.answer.caveats = vec!["טיסות שבוטלו נספרות כטיסות.".into()];
    report.results[0].columns =
        vec![Column::new("חברה", ColumnType::Text), Column::new("flights", ColumnType::Integer)];
    report.results[0].rows =
        vec![row("אל על 🛫", 58_665), row("JetBlue Airways", 54_635), row("الخطوط الجوية", 48_110)];
    report.results[0].row_count = 3;
    report
}

/// A report that is far too long for a mail, with a file that was too large and a result that was cut.
pub(crate) fn long_report() -> Report {
    let mut report = usual_report();
    let section = |number: usize| {
        format!(
            "## Region {number}\n\nThe region had {{{{f2}}}} flights, {{{{f3}}}} more than in the month before, and most of them \
             left in the morning.\n\n| airline | flights |\n|---|--:|\n| {{{{f1}}}} | {{{{f2}}}} |\n| JetBlue | {{{{f5}}}} |\n\n"
        )
    };
    report.answer.body = (1..400).map(section).collect();
    report.answer.stale =
        Some("The newest flight is of Thu 19 Nov 2026, 23:59. It should be at most 24 hours old.".into());
    report.results[0].truncated = Some(Truncation::Rows);
    report.results[0].row_count = 100_000;
    report.pictures = vec![picture(); 10];
    report
}

/// A report in which every text tries to break out.
pub(crate) fn hostile_report() -> Report {
    let attack = "</td></table><script>alert(1)</script><img src=https://evil.example/x.png>\
                  <a href=\"https://evil.example\">x</a> & \"quotes\" 'too' </mj-text><mj-raw>\u{202e}\u{0}";
    let mut report = usual_report();
    report.title = format!("Title\r\nBcc: victim@evil.example\r\n\r\n{attack}");
    report.because = attack.into();
    report.answer.headline = format!("{attack} [click](https://evil.example/{{{{f1}}}}) {{{{f1}}}}");
    report.answer.body = format!(
        "{attack}\n\n![pixel](https://evil.example/p.png) <https://evil.example/auto> www.evil.example me@evil.example\n\n\
         [a](javascript:alert(1))\n\n|{attack}|x|\n|-|-|\n|{attack}|{{{{f1}}}}|\n\n```\n{attack}\n```\n\n<b>html block</b>"
    );
    report.answer.figures = vec![figure("f1", attack, true)];
    report.answer.caveats = vec![attack.into()];
    (report.answer.why, report.answer.stale) = (Some(attack.into()), Some(attack.into()));
    report.results[0].columns[0].name = attack.into();
    report.results[0].rows[0][0] = Cell::Text(attack.into());
    report.results[0].rows[1][0] = Cell::Text("https://evil.example/cell".into());
    report.results[0].truncated = Some(Truncation::Rows);
    report.results[0].handle = attack.into();
    report.pictures[0].title = attack.into();
    report.pictures[0].alt = attack.into();
    report
}
