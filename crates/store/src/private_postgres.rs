//! A private PostgreSQL under a folder of ours, for when nobody gave us one.
//!
//! It listens on a Unix socket in a folder that only its owner may enter (and for tests on a port of the loopback address). Started by root, it runs as the user `postgres`
//! (or `nobody`), because PostgreSQL refuses to run as root. A process that finds one already running on the same folder
//! (`tidings token create` beside `tidings up`) uses it and leaves it running.

use std::{
    fs::{self, File},
    io::ErrorKind,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::UnixStream,
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Gid, Pid, Uid, User, geteuid},
};

/// The longest path of a Unix socket that every platform takes.
const SOCKET_PATH_MAX: usize = 100;
const START_TIMEOUT: Duration = Duration::from_mins(1);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A running server. Dropping it stops the server if this process started it.
#[derive(Debug)]
pub struct PrivatePostgres {
    socket_dir: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// How a server is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrivatePostgresOptions {
    /// The port: part of the socket's name, and listened on at 127.0.0.1 if `listens_on_loopback`.
    pub port: u16,
    /// Whether to listen on 127.0.0.1 as well.
    pub listens_on_loopback: bool,
    /// Whether commits survive a crash of the machine. Tests do without.
    pub is_durable: bool,
}

impl Default for PrivatePostgresOptions {
    /// A durable server on a socket only.
    fn default() -> Self {
        Self { port: 5432, listens_on_loopback: false, is_durable: true }
    }
}

impl PrivatePostgres {
    /// Uses the server that runs on `data_dir`, or starts one, and waits until it takes connections.
    ///
    /// Call it from the main thread: the server is told to stop when the thread that started it ends.
    pub fn attach_or_start(data_dir: &Path, options: PrivatePostgresOptions) -> anyhow::Result<Self> {
        let dir = data_dir.join("postgres");
        let owner = Owner::choose()?;
        fs::create_dir_all(&dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        owner.take(&dir)?;
        owner.let_pass(data_dir)?;
        // Two processes that start at once must not both start a server.
        let lock = File::create(data_dir.join("postgres.lock"))?;
        lock.lock().context("cannot lock the private PostgreSQL's folder")?;

        let cluster = dir.join("cluster");
        let socket_dir = socket_dir(&dir, &owner)?;
        let port = options.port;
        if wait_for_running(&cluster, &socket(&socket_dir, port))? {
            return Ok(Self { socket_dir, port, child: None });
        }
        let binaries = postgres_binaries()?;
        if !cluster.join("PG_VERSION").exists() {
            initialise(&binaries, &dir, &cluster, &owner)?;
        }
        let child = start(&binaries, &dir, &cluster, &socket_dir, &owner, options)?;
        let mut server = Self { socket_dir, port, child: Some(child) };
        server.wait_until_ready(&cluster, &dir.join("log"))?;
        Ok(server)
    }

    /// The URL of one of its databases, as its superuser.
    pub fn url(&self, database: &str) -> String {
        let host: String = self
            .socket_dir
            .to_string_lossy()
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect();
        format!("postgresql://tidings@localhost:{}/{database}?host={host}", self.port)
    }

    fn wait_until_ready(&mut self, cluster: &Path, log: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if status(cluster) == Some(Status::Ready) && can_connect(&socket(&self.socket_dir, self.port)) {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Some(exit) = child.try_wait()?
            {
                let log = fs::read_to_string(log).unwrap_or_default();
                let tail: Vec<_> = log.lines().rev().take(5).collect();
                let tail: Vec<_> = tail.into_iter().rev().collect();
                bail!("the private PostgreSQL stopped at its start ({exit}):\n{}", tail.join("\n"));
            }
            thread::sleep(POLL);
        }
        bail!(
            "the private PostgreSQL was not ready after {} s; see {}",
            START_TIMEOUT.as_secs(),
            log.display()
        )
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // SIGINT is PostgreSQL's fast shutdown: sessions end, everything is flushed.
        let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGINT);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        let _ = child.kill();
    }
}

/// Who the server runs as, where that is not us.
struct Owner(Option<(Uid, Gid)>);

impl Owner {
    fn choose() -> anyhow::Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self(Some((user.uid, user.gid))));
            }
        }
        bail!(
            "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as"
        )
    }

    fn take(&self, path: &Path) -> anyhow::Result<()> {
        if let Self(Some((uid, gid))) = self {
            chown(path, Some(uid.as_raw()), Some(gid.as_raw())).with_context(|| {
                format!("cannot hand {} to the user that runs PostgreSQL", path.display())
            })?;
        }
        Ok(())
    }

    /// Lets the server's user pass through the data folder to its own. It may not list it.
    fn let_pass(&self, data_dir: &Path) -> anyhow::Result<()> {
        if self.0.is_some() {
            let mode = fs::metadata(data_dir)?.permissions().mode();
            fs::set_permissions(data_dir, fs::Permissions::from_mode(mode | 0o011))?;
        }
        Ok(())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
        // A test that moves the clock must move the server's too.
        for name in [
            "LD_PRELOAD",
            "FAKETIME",
            "FAKETIME_SHARED",
            "DONT_FAKE_MONOTONIC",
            "FAKETIME_DONT_FAKE_MONOTONIC",
        ] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if let Self(Some((uid, gid))) = self {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Starting,
    Ready,
    Stopping,
}

/// What the server that runs on `cluster` says of itself, if one runs. The eighth line of `postmaster.pid` is its state.
fn status(cluster: &Path) -> Option<Status> {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let pid: i32 = lines.next()?.trim().parse().ok()?;
    // EPERM means that it runs as somebody else.
    let is_alive = !matches!(kill(Pid::from_raw(pid), None), Err(nix::errno::Errno::ESRCH));
    if !is_alive {
        return None;
    }
    match lines.nth(6).map(str::trim) {
        Some("ready") => Some(Status::Ready),
        Some("stopping") => Some(Status::Stopping),
        _ => Some(Status::Starting),
    }
}

fn socket(socket_dir: &Path, port: u16) -> PathBuf {
    socket_dir.join(format!(".s.PGSQL.{port}"))
}

fn can_connect(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

/// Whether a server runs on `cluster`, once it is neither starting nor stopping.
fn wait_for_running(cluster: &Path, socket: &Path) -> anyhow::Result<bool> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        match status(cluster) {
            None => return Ok(false),
            Some(Status::Ready) if can_connect(socket) => return Ok(true),
            Some(status) => ensure!(
                Instant::now() < deadline,
                "a PostgreSQL on {} is {status:?} and takes no connections",
                cluster.display()
            ),
        }
        thread::sleep(POLL);
    }
}

/// The folder of the socket: the server's own, unless its path is too long for a socket.
fn socket_dir(dir: &Path, owner: &Owner) -> anyhow::Result<PathBuf> {
    if socket(dir, u16::MAX).as_os_str().len() <= SOCKET_PATH_MAX {
        return Ok(dir.to_owned());
    }
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in dir.to_string_lossy().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let short = std::env::temp_dir().join(format!("tidings-{hash:016x}"));
    match fs::create_dir(&short) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("cannot make {}", short.display())),
    }
    fs::set_permissions(&short, fs::Permissions::from_mode(0o700))?;
    owner.take(&short)?;
    Ok(short)
}

/// The folder with `initdb` and `postgres`.
pub fn postgres_binaries() -> anyhow::Result<PathBuf> {
    let mut candidates: Vec<PathBuf> =
        std::env::var_os("POSTGRES_BIN").map(PathBuf::from).into_iter().collect();
    for base in
        ["/usr/lib/postgresql", "/usr/libexec", "/opt/homebrew/opt", "/usr/local/opt", "/Library/PostgreSQL"]
    {
        let mut found: Vec<_> = fs::read_dir(base)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("bin"))
            .collect();
        found.sort();
        candidates.extend(found.into_iter().rev());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    candidates.extend(std::env::split_paths(&path));
    candidates.into_iter().find(|dir| dir.join("initdb").exists() && dir.join("postgres").exists()).context(
        "PostgreSQL is not installed: `apt-get install postgresql`, `dnf install postgresql-server` or \
             `brew install postgresql@17`; or set DATABASE_URL to one that runs elsewhere",
    )
}

/// Makes the cluster beside its place and renames it, so that a start that was killed leaves nothing half made.
fn initialise(binaries: &Path, dir: &Path, cluster: &Path, owner: &Owner) -> anyhow::Result<()> {
    let unfinished = dir.join("cluster.new");
    let _ = fs::remove_dir_all(&unfinished);
    let output = owner
        .command(&binaries.join("initdb"))
        .args([
            "--username=tidings",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--pgdata",
        ])
        .arg(&unfinished)
        .output()
        .context("cannot run initdb")?;
    ensure!(
        output.status.success(),
        "initdb failed; the data folder must be reachable by the user that runs PostgreSQL:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&unfinished, cluster)?;
    Ok(())
}

fn start(
    binaries: &Path,
    dir: &Path,
    cluster: &Path,
    socket_dir: &Path,
    owner: &Owner,
    options: PrivatePostgresOptions,
) -> anyhow::Result<Child> {
    let log = File::create(dir.join("log"))?;
    let mut command = owner.command(&binaries.join("postgres"));
    command
        .arg("-D")
        .arg(cluster)
        .arg("-k")
        .arg(socket_dir)
        .args([
            "-c",
            if options.listens_on_loopback { "listen_addresses=127.0.0.1" } else { "listen_addresses=" },
        ])
        .args(["-c", &format!("port={}", options.port)])
        .args(["-c", "timezone=UTC", "-c", "log_timezone=UTC"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    if !options.is_durable {
        command.args(["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]);
    }
    stop_with_parent(&mut command);
    command.spawn().context("cannot start PostgreSQL")
}

/// Has the kernel stop the server when this process is killed, so that no orphan is left.
#[cfg(target_os = "linux")]
fn stop_with_parent(command: &mut Command) {
    let set = || nix::sys::prctl::set_pdeathsig(Signal::SIGINT).map_err(std::io::Error::from);
    #[expect(
        unsafe_code,
        reason = "prctl between fork and exec: one async-signal-safe system call, no allocation"
    )]
    // SAFETY: `set` makes one system call and touches no memory that another thread could hold a lock on.
    unsafe {
        command.pre_exec(set);
    }
}

/// Elsewhere the server outlives a killed process; the next start finds and uses it.
#[cfg(not(target_os = "linux"))]
fn stop_with_parent(_command: &mut Command) {}
