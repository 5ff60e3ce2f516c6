//! A first provider that fails, and one that stands in for it; and scheduled runs that are put off until a provider is back.

use std::{sync::Arc, time::Duration};

use agent::{
    model::{Model, ModelError, ModelReply, ModelRequest},
    provider::{Models, ModelsOptions},
    scripted::Scripted,
};
use async_trait::async_trait;
use chrono::TimeDelta;
use domain::{
    run::RunStatus,
    step::{ModelProvider, StepBody},
};
use tokio::sync::mpsc;

use crate::support::{Bench, PER_CARRIER, good_answer, one_by_one};

/// A scripted model under a name of its own.
struct Named(&'static str, Scripted);

#[async_trait]
impl Model for Named {
    fn name(&self) -> String {
        self.0.to_owned()
    }

    async fn reply(
        &self,
        request: &ModelRequest,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ModelReply, ModelError> {
        self.1.reply(request, deltas).await
    }
}

/// A model that plays `replies` and fails at these of its calls.
fn failing_at(name: &'static str, replies: Vec<ModelReply>, failures: &'static [usize]) -> Arc<Named> {
    let script = Scripted::by(move |request, call| {
        if failures.contains(&call) {
            return Err(ModelError::Unavailable { message: "503".into(), retry_after: None });
        }
        Ok(replies[agent::scripted::replies_so_far(request)].clone())
    });
    Arc::new(Named(name, script))
}

fn away_for(wait: Duration) -> Arc<Scripted> {
    Arc::new(Scripted::by(move |_, _| {
        Err(ModelError::Unavailable { message: "429: slow down".into(), retry_after: Some(wait) })
    }))
}

fn options(bench: &Bench, first: Arc<dyn Model>) -> ModelsOptions {
    let mut options = ModelsOptions::new(first);
    options.patience.first_wait = Duration::from_millis(1);
    options.clock = Arc::new(bench.world.database.time.clone());
    options
}

/// Who gave each reply of a turn, and what it cost.
fn replies(steps: &[StepBody]) -> Vec<(&str, ModelProvider, f64)> {
    let replies = steps.iter().filter_map(|step| match step {
        StepBody::Model { model, provider, credits, .. } => Some((model.as_str(), *provider, *credits)),
        _ => None,
    });
    replies.collect()
}

#[tokio::test]
async fn each_step_says_who_replied_and_costs_what_that_one_costs() {
    let bench = Bench::new().await;
    let transcript = one_by_one(vec![bench.sql(PER_CARRIER), bench.sql(PER_CARRIER), good_answer()]);
    // The first one fails twice in the middle of the turn.
    let first = failing_at("scripted:first", transcript.clone(), &[1, 2]);
    let second = failing_at("free:second", transcript, &[]);
    let mut options = options(&bench, first.clone());
    options.fallback = Some(second.clone());
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(Models::new(options)).run_once().await.expect("a run");
    let steps = bench.steps(&started).await;
    assert_eq!(
        replies(&steps),
        [
            ("scripted:first", ModelProvider::Server, 0.2),
            ("free:second", ModelProvider::Fallback, 0.0),
            ("scripted:first", ModelProvider::Server, 0.2),
        ]
    );
    assert_eq!(bench.answer(&started).await.model, "scripted:first");
    assert_eq!((first.1.calls(), second.1.calls()), (4, 1));
}

#[tokio::test]
async fn a_provider_that_is_down_is_left_alone_by_later_turns() {
    let bench = Bench::new().await;
    let transcript = one_by_one(vec![bench.sql(PER_CARRIER), good_answer()]);
    let first = failing_at("scripted:first", transcript.clone(), &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let second = failing_at("free:second", transcript, &[]);
    let mut options = options(&bench, first.clone());
    options.fallback = Some(second);
    let models = Models::new(options);
    for _ in 0..3 {
        let started = bench.ask("Which airline flew most?").await;
        bench.agent_asking(models.clone()).run_once().await.expect("a run");
        assert_eq!(bench.answer(&started).await.model, "free:second");
    }
    assert_eq!(first.1.calls(), 9, "the fifth reply in a row that it failed opened its breaker");
    bench.world.step(TimeDelta::seconds(30));
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(models).run_once().await.expect("a run");
    assert_eq!(bench.answer(&started).await.model, "scripted:first");
}

/// Seen to fail: with `run_fail` in the place of `run_fail_until`, the run is tried after 30 s, and asks the provider again.
#[tokio::test]
async fn a_scheduled_run_is_put_off_until_its_provider_is_back() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let task = bench.world.task(|task| task.context.connection_ids = vec![connection]).await;
    bench.world.set("2026-03-02T09:00:00Z");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    let away = away_for(Duration::from_mins(50));
    let models = Models::new(options(&bench, away.clone()));
    bench.agent_asking(models.clone()).run_once().await.expect("a run");
    assert_eq!(bench.world.fates(task.id).await, ["03-02 waiting model_unavailable"]);
    bench.world.step(TimeDelta::minutes(49));
    assert_eq!(bench.agent_asking(models).run_once().await.expect("no run"), 0);
    assert_eq!(away.calls(), 1, "nothing is asked before its time");
    bench.world.step(TimeDelta::minutes(1));
    let model = Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()]));
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    assert_eq!(bench.world.fates(task.id).await, ["03-02 succeeded"]);
}

#[tokio::test]
async fn a_provider_that_is_away_past_the_window_fails_the_run_at_once() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let task = bench.world.task(|task| task.context.connection_ids = vec![connection]).await;
    bench.world.set("2026-03-02T09:00:00Z");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    bench.agent(away_for(Duration::from_hours(3))).run_once().await.expect("a run");
    assert_eq!(bench.world.fates(task.id).await, ["03-02 failed model_unavailable"]);
    let page = store::Page::first(1);
    let run = bench.world.store().run_list(&bench.world.scope, task.id, &page).await.expect("runs").values;
    let message = run[0].message.clone().expect("a sentence");
    assert!(message.ends_with("It may be asked again in 3 hours."), "{message}");
    assert_eq!(run[0].status, RunStatus::Failed);
}
