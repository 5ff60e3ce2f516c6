//! Starts the real binary in a folder of its own, talks to it over HTTP, reads its log, and kills it.

pub(crate) mod flights;

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A folder of data and the settings to run on it. Outlives the processes started on it.
pub(crate) struct Installation {
    data: TempDir,
    port: u16,
    variables: Vec<(String, String)>,
}

impl Installation {
    pub(crate) fn new() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        // The private PostgreSQL runs as another user when the tests run as root.
        std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        Self { data, port: free_port(), variables: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `tidings ARGUMENTS` with this installation's settings and nothing else of the environment that could change it.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        command.args(arguments).env_clear().current_dir(self.data.path());
        for name in ["PATH", "HOME", "POSTGRES_BIN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("TIDINGS_DATA_DIR", self.data.path())
            .env("TIDINGS_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("TIDINGS_REQUESTS_PER_MINUTE", "100000")
            .env("TIDINGS_RUNS_PER_MINUTE", "100000")
            .env("TIDINGS_LOG_FORMAT", "json")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end and answers its standard output, trimmed.
    pub(crate) fn output(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the binary runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tidings {arguments:?} failed: {errors}");
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    }

    /// Starts `tidings up` and waits until it prints its sign-in link.
    pub(crate) fn up(&self) -> Process {
        let mut child = self
            .command(["up"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let printed = lines(child.stdout.take().expect("standard output"));
        let log = lines(child.stderr.take().expect("standard error"));
        let mut process = Process { child, log, seen: Vec::new(), sign_in_link: String::new() };
        process.sign_in_link = loop {
            match printed.recv_timeout(PATIENCE) {
                Ok(line) => {
                    if let Some(link) = line.strip_prefix("Sign in: ") {
                        break link.trim().to_owned();
                    }
                }
                Err(error) => panic!("no sign-in link ({error}); log:\n{}", process.log_so_far()),
            }
        };
        process
    }

    /// A client that acts as the demo user.
    pub(crate) fn client(&self) -> Client {
        let token = self.output(&["token", "create", "--user", "demo@tidings.local", "--name", "test"]);
        Client { base: self.base(), token }
    }
}

/// A running `tidings up`. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: Receiver<String>,
    seen: Vec<String>,
    pub(crate) sign_in_link: String,
}

impl Process {
    /// Waits for a line of the log, as JSON, that `is_it` accepts.
    pub(crate) fn wait_for_log(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line);
                    let line = self.seen.last().expect("just pushed");
                    if let Ok(entry) = serde_json::from_str::<Value>(line)
                        && is_it(&entry)
                    {
                        return entry;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("never in the log: {what}\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Waits until the run's message has left.
    pub(crate) fn wait_for_delivery(&mut self, run_id: &str) {
        self.wait_for_log(&format!("the delivery of run {run_id}"), |entry| {
            entry["message"] == "sent" && entry["span"]["run_id"] == run_id
        });
    }

    /// Waits until the run's turn is at its end, and answers how it ended.
    pub(crate) fn wait_for_run(&mut self, run_id: &str) -> String {
        let entry = self.wait_for_log(&format!("the end of run {run_id}"), |entry| {
            entry["message"] == "the turn ended" && entry["span"]["run_id"] == run_id
        });
        entry["outcome"].as_str().expect("an outcome").to_owned()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// SIGTERM, and the end of the process.
    pub(crate) fn terminate(mut self) -> std::process::ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("signalled");
        self.child.wait().expect("ended")
    }

    fn log_so_far(&mut self) -> String {
        let _ = self.child.kill();
        self.seen.extend(self.log.iter());
        self.seen.join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An API client with a token.
pub(crate) struct Client {
    base: String,
    token: String,
}

impl Client {
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, None);
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.send("POST", path, Some(body));
        assert!((200..300).contains(&status), "POST {path}: {status} {answer}");
        answer
    }

    /// Any request; answers the status and the body as JSON (`Null` where it is none).
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        let agent = agent.new_agent();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut response = agent.run(request.body(body).expect("a request")).expect("an answer");
        let text = response.body_mut().read_to_string().expect("a body");
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The bytes at a path.
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().new_agent();
        let mut response = agent
            .get(format!("{}/api/v1{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .call()
            .expect("an answer");
        response.body_mut().read_to_vec().expect("a body")
    }
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn lines(source: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
