//! A connection's bytes, counted.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// Where a server listens.
#[derive(Clone, Debug)]
pub(super) enum Address {
    Tcp(std::net::SocketAddr),
    Unix(PathBuf),
}

impl Address {
    pub(super) async fn connect(&self, meter: Arc<Meter>) -> io::Result<MeteredStream> {
        let socket = match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
            Self::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
        };
        Ok(MeteredStream { socket, meter })
    }
}

/// How many bytes a server may still send. A single value of a gigabyte would otherwise be in memory before it is seen.
#[derive(Debug)]
pub(super) struct Meter {
    remaining: AtomicU64,
}

impl Meter {
    pub(super) fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self { remaining: AtomicU64::new(bytes) })
    }

    /// Whether the server sent more than it may.
    pub(super) fn is_exceeded(&self) -> bool {
        self.remaining.load(Ordering::Relaxed) == 0
    }

    fn count(&self, bytes: u64) -> io::Result<()> {
        let before = self.remaining.load(Ordering::Relaxed);
        // Only the connection's own task counts, so that nothing is lost between load and store.
        self.remaining.store(before.saturating_sub(bytes), Ordering::Relaxed);
        if before <= bytes {
            return Err(io::Error::other("the server sent more bytes than the limit"));
        }
        Ok(())
    }
}

/// A socket that fails once its meter has run out.
pub(super) struct MeteredStream {
    socket: Socket,
    meter: Arc<Meter>,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        match polled {
            Poll::Ready(Ok(())) => Poll::Ready(self.meter.count((buffer.filled().len() - before) as u64)),
            other => other,
        }
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
