//! Structured logs and metrics.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::Log;

/// How often measurements are summed up.
const SUM_UP_EVERY: Duration = Duration::from_secs(5);

/// Starts logging to standard error, as readable lines or as JSON with every field of the enclosing spans (run id,
/// workspace, attempt).
pub(crate) fn start_logs(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.filter).with_context(|| format!("TIDINGS_LOG: `{}`", log.filter))?;
    let registry = tracing_subscriber::registry().with(filter);
    if log.is_json {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()?;
    } else {
        registry
            .with(
                fmt::layer()
                    .with_target(false)
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_writer(std::io::stderr),
            )
            .try_init()?;
    }
    Ok(())
}

/// Starts collecting metrics; the handle renders them for `/metrics`.
pub(crate) fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().context("metrics cannot be collected")
}

/// Sums up what was measured, until `stopping` is cancelled. Each measurement is kept until then, so that memory would grow
/// where nobody asks for `/metrics`.
pub(crate) async fn keep_metrics_small(metrics: &PrometheusHandle, stopping: CancellationToken) {
    let mut interval = tokio::time::interval(SUM_UP_EVERY);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = interval.tick() => metrics.run_upkeep(),
        }
    }
}
