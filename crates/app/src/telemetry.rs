//! Structured logs and metrics.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::Log;

/// How often measurements are summed up.
const SUM_UP_EVERY: Duration = Duration::from_secs(5);
/// Upper bounds of the buckets that a measured time is counted in, in seconds: those usual with Prometheus, and a millisecond.
/// Without buckets the exporter keeps sketches of up to a megabyte for each label, and tells quantiles that nobody can add up.
const SECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The same of an agent's turn, which waits for models and data.
const TURN_SECONDS: [f64; 11] = [0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0];

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
    metrics_builder()?.install_recorder().context("metrics cannot be collected")
}

fn metrics_builder() -> anyhow::Result<PrometheusBuilder> {
    let turns = Matcher::Full("tidings_turn_seconds".to_owned());
    Ok(PrometheusBuilder::new().set_buckets(&SECONDS)?.set_buckets_for_metric(turns, &TURN_SECONDS)?)
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

#[cfg(test)]
mod tests {
    use super::metrics_builder;

    #[test]
    fn times_are_counted_in_buckets() {
        let recorder = metrics_builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            for seconds in [0.003, 0.2, 40.0] {
                metrics::histogram!("tidings_http_request_seconds", "route" => "/x").record(seconds);
                metrics::histogram!("tidings_turn_seconds", "outcome" => "done").record(seconds);
            }
        });
        let told = recorder.handle().render();
        for line in [
            r#"tidings_http_request_seconds_bucket{route="/x",le="0.001"} 0"#,
            r#"tidings_http_request_seconds_bucket{route="/x",le="0.005"} 1"#,
            r#"tidings_http_request_seconds_bucket{route="/x",le="10"} 2"#,
            r#"tidings_http_request_seconds_bucket{route="/x",le="+Inf"} 3"#,
            r#"tidings_turn_seconds_bucket{outcome="done",le="30"} 2"#,
            r#"tidings_turn_seconds_bucket{outcome="done",le="60"} 3"#,
            r#"tidings_turn_seconds_count{outcome="done"} 3"#,
        ] {
            assert!(told.lines().any(|told| told == line), "{line} in {told}");
        }
        assert!(!told.contains("quantile"), "{told}");
    }
}
