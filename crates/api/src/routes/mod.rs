//! One file per resource: its request and response types, its handlers and its `router()`.

pub(crate) mod audience;
pub(crate) mod backtests;
pub(crate) mod caps;
pub(crate) mod charts;
pub(crate) mod connections;
pub(crate) mod credits;
pub(crate) mod deliveries;
pub(crate) mod destinations;
pub(crate) mod events;
pub(crate) mod feedback;
pub(crate) mod grants;
pub(crate) mod groups;
pub(crate) mod mail;
pub(crate) mod me;
pub(crate) mod model;
pub(crate) mod notices;
pub(crate) mod outbox;
pub(crate) mod oversight;
pub(crate) mod people;
pub(crate) mod quiet;
pub(crate) mod results;
pub(crate) mod runs;
pub(crate) mod schedules;
pub(crate) mod session;
pub(crate) mod sharing;
pub(crate) mod slack;
pub(crate) mod steps;
pub(crate) mod target;
pub(crate) mod task_drafts;
pub(crate) mod task_method;
pub(crate) mod tasks;
pub(crate) mod threads;
pub(crate) mod tokens;
pub(crate) mod uploads;
pub(crate) mod verified_questions;
pub(crate) mod webhooks;
pub(crate) mod workspace_settings;

use utoipa_axum::router::OpenApiRouter;

use crate::ApiState;

/// Every route under `/api/v1` with its description, apart from uploads, which have other limits.
pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(session::router())
        .merge(me::router())
        .merge(quiet::router())
        .merge(notices::router())
        .merge(tokens::router())
        .merge(people::router())
        .merge(groups::router())
        .merge(connections::router())
        .merge(grants::router())
        .merge(credits::router())
        .merge(caps::router())
        .merge(mail::router())
        .merge(model::router())
        .merge(audience::router())
        .merge(workspace_settings::router())
        .merge(tasks::router())
        .merge(task_method::router())
        .merge(backtests::router())
        .merge(runs::router())
        .merge(deliveries::router())
        .merge(oversight::router())
        .merge(schedules::router())
        .merge(threads::router())
        .merge(steps::router())
        .merge(events::router())
        .merge(results::router())
        .merge(charts::router())
        .merge(sharing::router())
        .merge(feedback::router())
        .merge(task_drafts::router())
        .merge(verified_questions::router())
        .merge(slack::router())
        .merge(outbox::router())
        .merge(destinations::router())
        .merge(webhooks::router())
}
