//! A mail server (aiosmtpd, by others) whose log on disk is what readers got: a mail is in it before its sender hears so.

use std::{
    fs,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use serde_json::Value;

use crate::checker::Told;

/// A mail as its recipient got it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mail {
    /// When it was accepted, in seconds since 1970 by this machine's clock.
    pub(crate) at: f64,
    /// Its sender: the worker's name is before the `@`.
    pub(crate) from: String,
    /// Its recipient.
    pub(crate) to: String,
    /// Its Message-ID, the same for every attempt of one delivery.
    pub(crate) message_id: String,
    /// Its text, with single spaces between words.
    pub(crate) text: String,
    /// Its headers and parts, where the server keeps mails whole.
    #[serde(default)]
    pub(crate) whole: Option<WholeMail>,
}

/// All of a mail, as a parser that is not ours reads it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct WholeMail {
    /// Names and values.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) parts: Vec<Part>,
}

/// A part of a mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Part {
    /// `text/html`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What it is called where it is attached.
    pub(crate) file_name: Option<String>,
    /// What it says, where it is a text.
    pub(crate) text: Option<String>,
}

/// How much of the log was counted.
#[derive(Default)]
struct Counted {
    bytes: u64,
    mails: usize,
}

/// A running mail server. Killed when dropped.
pub(crate) struct MailServer {
    port: u16,
    log: PathBuf,
    /// How far the log was counted: it is asked for its length many times a second.
    counted: Mutex<Counted>,
    process: Child,
    /// It ends when this is closed.
    _orders: ChildStdin,
}

impl MailServer {
    /// Starts one that keeps its log in `folder`, and takes twice `pause` over a mail.
    pub(crate) fn start(folder: &Path, pause: Duration) -> Self {
        Self::start_with(folder, pause, 0)
    }

    /// Starts one that keeps mails whole.
    pub(crate) fn start_whole(folder: &Path) -> Self {
        Self::launch(folder, &["--whole"])
    }

    /// The same, which treats `faults` of a hundred mails badly.
    pub(crate) fn start_with(folder: &Path, pause: Duration, faults: u32) -> Self {
        Self::launch(folder, &["--pause", &pause.as_secs_f64().to_string(), "--faults", &faults.to_string()])
    }

    fn launch(folder: &Path, arguments: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join(".tools/smtp/bin/python");
        assert!(python.exists(), "{} is missing: run `make tools-test`", python.display());
        let log = folder.join("mails.jsonl");
        fs::File::create(&log).expect("a log");
        let mut process = Command::new(python)
            .args(["-W", "ignore"])
            .arg(root.join("crates/notifier/tests/smtp_server.py"))
            .arg("--log")
            .arg(&log)
            .arg("--pipelining")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let orders = process.stdin.take().expect("its input");
        let mut first_line = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut first_line).expect("its first line");
        let listening: Value = serde_json::from_str(&first_line).expect("an event");
        let port = listening["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        Self { port, log, counted: Mutex::default(), process, _orders: orders }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// How often somebody wanted to write to an address that does not exist.
    pub(crate) fn refusals(&self) -> usize {
        let log = fs::read_to_string(self.log.with_extension("jsonl.refused"));
        log.map_or(0, |log| log.lines().count())
    }

    /// How many mails it has accepted.
    pub(crate) fn count(&self) -> usize {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut log = fs::File::open(&self.log).expect("the log");
        log.seek(SeekFrom::Start(counted.bytes)).expect("a file that only grows");
        let mut log = BufReader::new(log);
        let mut line = Vec::new();
        while log.read_until(b'\n', &mut line).expect("the log") > 0 && line.ends_with(b"\n") {
            counted.bytes += line.len() as u64;
            counted.mails += 1;
            line.clear();
        }
        counted.mails
    }

    /// All mails that it has accepted, in order.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let log = fs::read_to_string(&self.log).expect("the log");
        // The last line may still be being written.
        let whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).expect("a mail")).collect()
    }

    /// The same, as messages that readers got.
    pub(crate) fn told(&self) -> Vec<Told> {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let clock = clock.duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs_f64();
        let told = |mail: Mail| Told {
            at: now
                .checked_sub(Duration::from_secs_f64((clock - mail.at).max(0.0)))
                .expect("since the start"),
            place: mail.to,
            id: mail.message_id,
            text: mail.text,
        };
        self.mails().into_iter().map(told).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
