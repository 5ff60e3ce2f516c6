//! The parent's side: starting workers, asking them, and killing those that take too long.

use std::{process::Stdio, time::Duration};

use domain::table::Table;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, ChildStdout, Command},
    sync::Semaphore,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::protocol::{GREETING, Reply, Request, decode_frame, encode_frame, frame_length};
use crate::{Error, WorkerCommand, cells};

/// What may come before the greeting.
const LONGEST_PREAMBLE: usize = 64 << 10;
/// How long a worker may take to start, on a machine that is busy.
const GREETING_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of what a worker says on its standard error is kept for the log.
const LONGEST_COMPLAINT: u64 = 4 << 10;

/// Starts workers, so many at once.
pub(crate) struct Pool {
    command: WorkerCommand,
    permits: Semaphore,
}

impl Pool {
    pub(crate) fn new(command: WorkerCommand, workers: usize) -> Self {
        Self { command, permits: Semaphore::new(workers.max(1)) }
    }

    /// A query's rows, kept until its end.
    pub(crate) async fn ask_for_rows(
        &self,
        request: &Request,
        cancel: &CancellationToken,
    ) -> Result<Table, Error> {
        let (mut table, mut wide_columns) = (Table::default(), Vec::new());
        self.ask(request, cancel, |reply| match reply {
            Reply::Columns { columns, wide } => {
                table.columns = columns;
                wide_columns = wide;
                Ok(None)
            }
            Reply::Rows(rows) => {
                table.rows.extend(rows);
                Ok(None)
            }
            Reply::Done(truncated) => {
                table.truncated = truncated;
                Ok(Some(()))
            }
            other => Err(unexpected(&other)),
        })
        .await?;
        cells::narrow_integers(&mut table, &wide_columns);
        Ok(table)
    }

    /// The one reply to a request that has no rows.
    pub(crate) async fn ask_for_one(
        &self,
        request: &Request,
        cancel: &CancellationToken,
    ) -> Result<Reply, Error> {
        self.ask(request, cancel, |reply| Ok(Some(reply))).await
    }

    /// Starts a worker and hands its replies to `receive` until that has what it wants. Whatever happens, the worker is
    /// gone afterwards.
    async fn ask<T>(
        &self,
        request: &Request,
        cancel: &CancellationToken,
        receive: impl FnMut(Reply) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let limit = request.cost().timeout;
        let deadline = Instant::now() + limit;
        let work = async {
            let _permit = self.permits.acquire().await.map_err(|_| Error::Cancelled)?;
            let mut worker = self.start()?;
            let answer = converse(&mut worker, request, receive).await;
            stop(worker, answer.as_ref().err()).await;
            answer
        };
        // Dropping `work` kills its worker (`kill_on_drop`).
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::Cancelled),
            answer = work => answer,
            () = tokio::time::sleep_until(deadline) => Err(Error::Timeout { limit }),
        }
    }

    fn start(&self) -> Result<Child, Error> {
        Command::new(&self.command.program)
            .args(&self.command.arguments)
            .env_clear()
            .envs(self.command.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Error::Worker {
                message: format!("{} could not be started: {error}", self.command.program.display()),
            })
    }
}

async fn converse<T>(
    worker: &mut Child,
    request: &Request,
    mut receive: impl FnMut(Reply) -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let (Some(input), Some(output)) = (worker.stdin.as_mut(), worker.stdout.as_mut()) else {
        return Err(Error::Worker { message: "a pipe is missing".to_owned() });
    };
    let frame = encode_frame(request)?;
    // A worker that died before reading closes the pipe; its end is told by the reading side.
    let sent = input.write_all(&frame).await;
    let greeted = tokio::time::timeout(GREETING_TIMEOUT, skip_preamble(output))
        .await
        .unwrap_or_else(|_| Err(Error::Worker { message: "it did not start in time".to_owned() }));
    if greeted.is_ok() {
        sent.map_err(|error| broken(&error))?;
    }
    greeted?;
    loop {
        let reply = read_reply(output).await?;
        if let Reply::Failed(error) = reply {
            return Err(error);
        }
        if let Some(answer) = receive(reply)? {
            return Ok(answer);
        }
    }
}

async fn skip_preamble(output: &mut ChildStdout) -> Result<(), Error> {
    let mut seen = Vec::new();
    while !seen.ends_with(GREETING) {
        if seen.len() > LONGEST_PREAMBLE {
            return Err(Error::Worker { message: "the program is no engine worker".to_owned() });
        }
        let byte = output.read_u8().await.map_err(|error| broken(&error))?;
        seen.push(byte);
    }
    Ok(())
}

async fn read_reply(output: &mut (impl AsyncRead + Unpin)) -> Result<Reply, Error> {
    let mut length = [0; 4];
    output.read_exact(&mut length).await.map_err(|error| broken(&error))?;
    let mut frame = vec![0; frame_length(length)?];
    output.read_exact(&mut frame).await.map_err(|error| broken(&error))?;
    decode_frame(&frame)
}

fn broken(error: &std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return Error::Worker { message: "it ended before its answer".to_owned() };
    }
    Error::Worker { message: format!("the pipe to it broke: {error}") }
}

fn unexpected(reply: &Reply) -> Error {
    let name = format!("{reply:?}");
    Error::Worker { message: format!("it answered {}", name.split(['(', ' ']).next().unwrap_or_default()) }
}

/// Ends a worker, and logs what it said when it failed.
async fn stop(mut worker: Child, error: Option<&Error>) {
    drop(worker.kill().await);
    if let (Some(Error::Worker { message }), Some(stderr)) = (error, worker.stderr.take()) {
        let complaint = complaint(stderr).await;
        tracing::warn!(message, complaint, "an engine worker failed");
    }
}

async fn complaint(stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    drop(stderr.take(LONGEST_COMPLAINT).read_to_end(&mut said).await);
    String::from_utf8_lossy(&said).into_owned()
}
