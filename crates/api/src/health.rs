//! For those who operate Tidings: is it alive, is it ready, what has it counted.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::ApiState;

/// The process answers.
pub(crate) async fn alive() -> Json<serde_json::Value> {
    Json(json!({"status": "ok"}))
}

/// The process can serve: it is not stopping, and the database answers.
pub(crate) async fn ready(State(state): State<ApiState>) -> Response {
    if state.stopping.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "stopping"}))).into_response();
    }
    match state.store.now().await {
        Ok(_) => Json(json!({"status": "ok", "database": "ok"})).into_response(),
        Err(error) => {
            tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "not ready");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(json!({"status": "unavailable", "database": "unreachable"})),
            )
                .into_response()
        }
    }
}

/// Counts in Prometheus' text format.
pub(crate) async fn metrics(State(state): State<ApiState>) -> Response {
    let text =
        state.metrics.as_ref().map(metrics_exporter_prometheus::PrometheusHandle::render).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
