//! The section `[server]`.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use api::LoadLimits;
use serde::Deserialize;

/// The address to listen on and to be reached at.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    /// Without a slash at the end.
    pub(crate) public_url: String,
    pub(crate) requests_per_minute: u32,
    pub(crate) runs_per_minute: u32,
    pub(crate) load: LoadLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    listen: String,
    public_url: String,
    requests_per_minute: u32,
    runs_per_minute: u32,
    connections: usize,
    head_seconds: u64,
    body_seconds: u64,
    requests_at_once: usize,
    requests_waiting: usize,
    request_wait_millis: u64,
    uploads_at_once: usize,
    streams: usize,
    streams_per_user: usize,
}

impl Written {
    pub(super) fn check(self) -> anyhow::Result<Server> {
        let listen: SocketAddr = self.listen.parse().with_context(|| {
            format!("TIDINGS_LISTEN: `{}` is not an address like 127.0.0.1:8080", self.listen)
        })?;
        let public_url = match self.public_url.trim_end_matches('/') {
            "" => format!("http://{listen}"),
            url => url.to_owned(),
        };
        ensure!(
            public_url.starts_with("http://") || public_url.starts_with("https://"),
            "TIDINGS_PUBLIC_URL: `{public_url}` must start with http:// or https://"
        );
        Ok(Server {
            listen,
            public_url,
            requests_per_minute: self.requests_per_minute,
            runs_per_minute: self.runs_per_minute,
            load: self.load()?,
        })
    }

    fn load(&self) -> anyhow::Result<LoadLimits> {
        for (name, number) in [
            ("TIDINGS_CONNECTIONS", self.connections),
            ("TIDINGS_REQUESTS_AT_ONCE", self.requests_at_once),
            ("TIDINGS_REQUESTS_WAITING", self.requests_waiting),
            ("TIDINGS_UPLOADS_AT_ONCE", self.uploads_at_once),
            ("TIDINGS_STREAMS", self.streams),
            ("TIDINGS_STREAMS_PER_USER", self.streams_per_user),
        ] {
            ensure!((1..=1_000_000).contains(&number), "{name}: {number} is not 1 to 1000000");
        }
        for (name, seconds) in
            [("TIDINGS_HEAD_SECONDS", self.head_seconds), ("TIDINGS_BODY_SECONDS", self.body_seconds)]
        {
            ensure!((1..=60).contains(&seconds), "{name}: {seconds} is not 1 to 60");
        }
        ensure!(
            self.request_wait_millis <= 30_000,
            "TIDINGS_REQUEST_WAIT_MILLIS: {} is more than 30000",
            self.request_wait_millis
        );
        Ok(LoadLimits {
            connections: self.connections,
            head_time: Duration::from_secs(self.head_seconds),
            body_time: Duration::from_secs(self.body_seconds),
            requests: self.requests_at_once,
            waiting: self.requests_waiting,
            wait: Duration::from_millis(self.request_wait_millis),
            uploads: self.uploads_at_once,
            streams: self.streams,
            streams_per_user: self.streams_per_user,
        })
    }
}
