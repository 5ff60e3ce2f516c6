//! A mail server that takes everything at once and keeps nothing but names: on a thread and runtime of its own, as a server
//! beside Tidings would be.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

const END_OF_MAIL: &[u8] = b"\r\n.\r\n";

/// A running sink. Ends when dropped.
pub(crate) struct Sink {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    /// How often each Message-ID came.
    mails: HashMap<Vec<u8>, u32>,
    bytes: u64,
}

impl Sink {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let seen = Arc::<Mutex<Seen>>::default();
        let (stop, stopped) = oneshot::channel();
        let kept = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = accept(listener, kept) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address, seen, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// How many mails came, how many of them again, and their bytes. Forgets them.
    pub(crate) fn take(&self) -> (usize, usize, u64) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let again = seen.mails.values().filter(|times| **times > 1).count();
        (seen.mails.len(), again, seen.bytes)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Already ended is as good.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, seen: Arc<Mutex<Seen>>) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            if let Err(error) = serve(stream, &seen).await {
                eprintln!("a connection to the sink broke: {error:#}");
            }
        });
    }
}

/// One connection: commands in lines, and mails up to their final dot.
async fn serve(mut stream: TcpStream, seen: &Mutex<Seen>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 sink\r\n").await?;
    let mut buffer = Vec::with_capacity(256 * 1024);
    let (mut is_mail, mut searched) = (false, 0);
    loop {
        let mut answers = Vec::new();
        loop {
            if is_mail {
                let from = searched_from(searched);
                let Some(at) = position(&buffer[from..], END_OF_MAIL) else {
                    searched = buffer.len();
                    break;
                };
                let length = from + at + END_OF_MAIL.len();
                keep(&buffer[..length], seen)?;
                buffer.drain(..length);
                (is_mail, searched) = (false, 0);
                answers.extend_from_slice(b"250 2.0.0 Ok: queued as 1\r\n");
            } else {
                let Some(at) = position(&buffer, b"\r\n") else { break };
                let answer: &[u8] = match buffer.get(..4).unwrap_or_default() {
                    b"EHLO" => b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
                    b"DATA" => {
                        is_mail = true;
                        b"354 go on\r\n"
                    }
                    b"QUIT" => b"221 bye\r\n",
                    _ => b"250 2.0.0 Ok\r\n",
                };
                answers.extend_from_slice(answer);
                buffer.drain(..at + 2);
            }
        }
        stream.write_all(&answers).await?;
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// The end may have come in two pieces.
const fn searched_from(searched: usize) -> usize {
    searched.saturating_sub(END_OF_MAIL.len())
}

fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    // By the first byte, which is rare in a mail: faster than comparing at every place.
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == what[0]) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

fn keep(mail: &[u8], seen: &Mutex<Seen>) -> anyhow::Result<()> {
    let at = position(mail, b"\r\nMessage-ID: ").context("a mail without a Message-ID")? + 14;
    let length = position(&mail[at..], b"\r\n").context("a mail that ends in its head")?;
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    *seen.mails.entry(mail[at..at + length].to_vec()).or_default() += 1;
    seen.bytes += mail.len() as u64;
    Ok(())
}
