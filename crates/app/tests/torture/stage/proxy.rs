//! A TCP proxy that fails on demand: it cuts connections, at once or in the middle of an answer, and swallows what is sent.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::watch,
};

/// Forwards to one port. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
    faults: Arc<Faults>,
}

struct Faults {
    /// Changed to cut all connections.
    cut: watch::Sender<u64>,
    /// Bytes from the server that still pass before a cut; negative: no such fault.
    bytes_left: AtomicI64,
    /// Whether everything is swallowed.
    is_black_hole: AtomicBool,
}

impl Proxy {
    /// Listens on a free port and forwards to `target` on 127.0.0.1.
    pub(crate) fn start(runtime: &Handle, target: u16) -> Self {
        let faults = Arc::new(Faults {
            cut: watch::Sender::new(0),
            bytes_left: AtomicI64::new(-1),
            is_black_hole: AtomicBool::new(false),
        });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let of_task = Arc::clone(&faults);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let faults = Arc::clone(&of_task);
                tokio::spawn(forward(client, SocketAddr::from(([127, 0, 0, 1], target)), faults));
            }
        });
        Self { port, faults }
    }

    /// Cuts every connection now.
    pub(crate) fn cut(&self) {
        self.faults.is_black_hole.store(false, Ordering::Release);
        self.faults.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts every connection once the server has sent so many bytes more: in the middle of some answer.
    pub(crate) fn cut_after(&self, bytes: i64) {
        self.faults.bytes_left.store(bytes, Ordering::Release);
    }

    /// From now on nothing passes, in either direction, and nobody is told. Ended by [`Proxy::cut`].
    pub(crate) fn swallow(&self) {
        self.faults.is_black_hole.store(true, Ordering::Release);
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, faults: Arc<Faults>) {
    let mut cut = faults.cut.subscribe();
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_reads, client_writes) = client.split();
    let (server_reads, server_writes) = server.split();
    // Whichever ends first, both directions end: the connection is gone.
    tokio::select! {
        _ = cut.changed() => {}
        () = pump(client_reads, server_writes, &faults, false) => {}
        () = pump(server_reads, client_writes, &faults, true) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    faults: &Faults,
    is_from_server: bool,
) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if faults.is_black_hole.load(Ordering::Acquire) {
            continue;
        }
        if is_from_server && faults.bytes_left.load(Ordering::Acquire) >= 0 {
            let left = faults.bytes_left.fetch_sub(read as i64, Ordering::AcqRel);
            if left >= 0 && left < read as i64 {
                let _ = to.write_all(&buffer[..left as usize]).await;
                faults.bytes_left.store(-1, Ordering::Release);
                faults.cut.send_modify(|cuts| *cuts += 1);
                return;
            }
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
