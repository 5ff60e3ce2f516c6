//! A PostgreSQL of the stage's own: durable, on a faked clock, killed and started again on the same data.

use std::{
    fs,
    io::Read as _,
    net::TcpStream,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::Clock as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};

use super::{clock::FakedClock, free_port, pause, wait_until};

/// How often it is tried to start a server.
const STARTS_MAX: u32 = 5;

/// A server. Stopped when dropped.
pub(crate) struct Postgres {
    /// The port on 127.0.0.1.
    pub(crate) port: u16,
    folder: PathBuf,
    settings: Vec<String>,
    /// Its clock.
    pub(crate) clock: FakedClock,
    child: Option<Child>,
}

impl Postgres {
    /// Makes a cluster in `folder/name` and starts it on this machine's clock, with further `settings` (`name=value`).
    pub(crate) fn start(folder: &Path, name: &str, settings: &[&str]) -> Self {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("permissions");
        if let Some(user) = server_user() {
            chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("an owner");
        }
        let output = command("initdb")
            .args(["--username=tidings", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(folder.join("cluster"))
            .output()
            .expect("initdb runs");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut postgres =
            Self { port: free_port(), folder, settings, clock: FakedClock::new(), child: None };
        postgres.launch();
        postgres
    }

    /// The URL of one of its databases, as its superuser, through `port`.
    pub(crate) fn url_through(port: u16, database: &str) -> String {
        format!("postgresql://tidings@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// The URL of one of its databases, as its superuser.
    pub(crate) fn url(&self, database: &str) -> String {
        Self::url_through(self.port, database)
    }

    /// Where its log is.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// What its clock shows now.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// How far its clock is ahead of this machine's, while it runs as fast.
    pub(crate) fn ahead(&self) -> TimeDelta {
        #[expect(clippy::disallowed_methods, reason = "the faked clock is an offset from the real one")]
        let real = Utc::now();
        self.now() - real
    }

    /// SIGKILL to the server and to every session, then a start on the same data: a crash of the database's machine, but
    /// for the disk's cache.
    pub(crate) fn crash_and_restart(&mut self) {
        self.kill_all();
        self.launch();
    }

    /// Starts it again with its clock at `now`, from then on `rate` times as fast as this machine's.
    pub(crate) fn set_clock(&mut self, now: DateTime<Utc>, rate: f64) {
        self.stop();
        self.clock.set(now, Instant::now(), rate);
        self.launch();
    }

    /// Starts it again with its clock further ahead: leases and waits run out.
    pub(crate) fn jump(&mut self, by: TimeDelta) {
        self.set_clock(self.now() + by, self.clock.rate());
    }

    fn launch(&mut self) {
        let rate = self.clock.rate();
        self.clock.set(self.now(), Instant::now(), rate);
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).expect("a log");
        let clock = [
            format!("LD_PRELOAD={}", libfaketime()),
            format!("FAKETIME={}", fake_time(self.ahead(), rate)),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        ];
        let mut command = command_with("postgres", &clock);
        command
            .arg("-D")
            .arg(self.folder.join("cluster"))
            .arg("-k")
            .arg(&self.folder)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={}", self.port)])
            .args(["-c", "timezone=UTC", "-c", "log_timezone=UTC", "-c", "max_connections=300"])
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().expect("postgres starts"));
        let mut starts = 1;
        let pid_file = self.folder.join("cluster/postmaster.pid");
        wait_until("PostgreSQL takes connections", || {
            let state = fs::read_to_string(&pid_file).unwrap_or_default();
            let pid = self.child.as_ref().map(|child| child.id().to_string());
            let is_ready = state.lines().next() == pid.as_deref()
                && state.lines().nth(7).is_some_and(|line| line.trim() == "ready");
            if self.child.as_mut().is_some_and(|child| child.try_wait().expect("its state").is_some()) {
                // While it was down, a connection of somebody else's may have come from its port.
                assert!(
                    starts < STARTS_MAX,
                    "PostgreSQL ended: {}",
                    fs::read_to_string(self.folder.join("log")).unwrap_or_default()
                );
                starts += 1;
                pause(Duration::from_secs(1));
                self.child = Some(command.spawn().expect("postgres starts"));
                return false;
            }
            is_ready && TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
        if (rate - 1.0).abs() > f64::EPSILON {
            self.read_clock();
        }
    }

    /// Reads what its clock shows: one that runs faster began to when the process started, which is not known to the moment.
    fn read_clock(&mut self) {
        let asked = Instant::now();
        let output = Command::new(store::postgres_binaries().expect("PostgreSQL").join("psql"))
            .args(["--no-psqlrc", "--tuples-only", "--no-align", &self.url("postgres")])
            .args(["-c", "SELECT extract(epoch FROM clock_timestamp())"])
            .output()
            .expect("psql runs");
        let seconds: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("an instant");
        let shown = DateTime::from_timestamp_millis((seconds * 1_000.0) as i64).expect("an instant");
        self.clock.set(shown, asked + asked.elapsed() / 2, self.clock.rate());
    }

    fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGINT);
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            pause(Duration::from_millis(5));
        }
        self.child = Some(child);
        self.kill_all();
    }

    fn kill_all(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let sessions = children_of(child.id());
        child.kill().expect("killed");
        for session in &sessions {
            let _ = kill(Pid::from_raw(*session as i32), Signal::SIGKILL);
        }
        child.wait().expect("gone");
        // A session that lives on would hold the shared memory, and the next server would refuse to start.
        wait_until("PostgreSQL's sessions are gone", || sessions.iter().all(|session| !is_alive(*session)));
        forget_faked_clock(child.id());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// libfaketime's word for a clock that is `ahead` and runs `rate` times as fast.
pub(crate) fn fake_time(ahead: TimeDelta, rate: f64) -> String {
    format!("{:+.3}s x{rate}", ahead.as_seconds_f64())
}

/// The library that fakes the clock of a process.
pub(crate) fn libfaketime() -> String {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    folders
        .into_iter()
        .map(|folder| format!("{folder}/faketime/libfaketime.so.1"))
        .find(|path| Path::new(path).exists())
        .expect("libfaketime is not installed: run `make tools-test`")
}

/// Removes what libfaketime shares among a killed process's children: another user's process may get its id one day.
pub(crate) fn forget_faked_clock(pid: u32) {
    for name in [format!("sem.faketime_sem_{pid}"), format!("faketime_shm_{pid}")] {
        let _ = fs::remove_file(Path::new("/dev/shm").join(name));
    }
}

/// Whom the server runs as, where that is not us: PostgreSQL refuses to run as root.
fn server_user() -> Option<User> {
    if !geteuid().is_root() {
        return None;
    }
    let user = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).expect("users"));
    Some(user.expect("a user `postgres` or `nobody` to run PostgreSQL as"))
}

/// A program of PostgreSQL that dies with this thread.
fn command(program: &str) -> Command {
    command_with(program, &[])
}

/// The same with `variables`, which are set once it is another user's: libfaketime leaves things behind that must be its.
fn command_with(program: &str, variables: &[String]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = server_user() {
        command.args(["--reuid", &user.uid.to_string(), "--regid", &user.gid.to_string(), "--clear-groups"]);
    }
    let program = store::postgres_binaries().expect("PostgreSQL").join(program);
    command.args(["--", "env"]).args(variables).arg(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
    command
}

fn children_of(parent: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        if stat(pid).is_some_and(|(_, its_parent)| its_parent == parent) {
            children.push(pid);
        }
    }
    children
}

fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// A process's state and its parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let mut text = String::new();
    fs::File::open(format!("/proc/{pid}/stat")).ok()?.read_to_string(&mut text).ok()?;
    // The name before it may hold anything, but for the last closing bracket.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
