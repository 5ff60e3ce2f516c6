//! Real processes of the real binary.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    Stage,
    postgres::{Postgres, forget_faked_clock},
    proxy::Proxy,
    words,
};

/// A running `tidings`. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// What it is called in the model's log: a word of its own for each start.
    pub(crate) name: String,
}

impl Process {
    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        forget_faked_clock(self.child.id());
    }

    /// SIGSTOP: it stands still, in whatever it was doing.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT: it goes on, and does not know that time has passed.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Whether it stands still.
    pub(crate) fn is_frozen(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The state stands behind the name, which may hold anything.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// Whether it has ended by itself or was killed.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("signalled");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A place for one `tidings work` at a time, with a proxy of its own before PostgreSQL.
pub(crate) struct Slot {
    /// What stands between it and PostgreSQL.
    pub(crate) proxy: Proxy,
    /// What runs in it.
    pub(crate) process: Process,
    variables: Vec<(String, String)>,
}

impl Slot {
    /// Starts a worker with these settings beside the stage's own.
    pub(crate) fn start(stage: &Stage, variables: &[(&str, String)]) -> Self {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let proxy = stage.proxy();
        let process = start_worker(stage, &proxy, &variables);
        Self { proxy, process, variables }
    }

    /// Kills what runs here and starts the next one, as a supervisor would.
    pub(crate) fn kill_and_restart(&mut self, stage: &Stage) {
        self.process.kill();
        self.process = start_worker(stage, &self.proxy, &self.variables);
    }

    /// Starts the next one if the last has ended by itself. Answers whether it had.
    pub(crate) fn revive(&mut self, stage: &Stage) -> bool {
        let has_ended = self.process.has_ended();
        if has_ended {
            self.process = start_worker(stage, &self.proxy, &self.variables);
        }
        has_ended
    }
}

fn start_worker(stage: &Stage, proxy: &Proxy, variables: &[(String, String)]) -> Process {
    let name = format!("w{}", words(stage.next_number()));
    let command = command(stage, "work", &name, proxy, variables);
    start(stage, command, name)
}

/// Starts `command` with its output in a file of the stage's folder.
pub(crate) fn start(stage: &Stage, mut command: Command, name: String) -> Process {
    let log = fs::File::create(stage.folder().join(format!("{name}.log"))).expect("a log");
    let output = log.try_clone().expect("a log");
    let child = command.stdin(Stdio::null()).stdout(output).stderr(log).spawn().expect("the binary starts");
    Process { child, name }
}

/// `tidings ARGUMENT` on the stage with further `variables`, and with nothing else of the environment that could change it. It
/// dies with this thread. Its mails bear its name as their sender.
pub(crate) fn command(
    stage: &Stage,
    argument: &str,
    name: &str,
    proxy: &Proxy,
    variables: &[(String, String)],
) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", "env"])
        // Set last, for the binary alone: among them are libraries to preload.
        .args(stage.variables.iter().chain(variables).map(|(name, value)| format!("{name}={value}")))
        .args([env!("CARGO_BIN_EXE_tidings"), argument])
        .env_clear()
        .envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"))
        .current_dir(stage.folder())
        .env("DATABASE_URL", Postgres::url_through(proxy.port, super::DATABASE))
        .env("TIDINGS_DATA_DIR", stage.folder().join("data"))
        .env("TIDINGS_MODEL_NAME", "a-model")
        .env("TIDINGS_MODEL_BASE_URL", stage.model.url(name))
        .env("TIDINGS_SMTP_URL", stage.mail.url())
        .env("TIDINGS_MAIL_FROM", format!("Tidings <{name}@mail.example>"))
        .env("TIDINGS_LOG_FORMAT", "json")
        .env("NO_PROXY", "127.0.0.1");
    command
}
