//! One task of a world, led through its story twice: in the reference and in the store.

use std::collections::HashMap;

use chrono::TimeDelta;
use domain::{
    Credits, RunId, TaskId, UserId, WorkspaceId,
    answer::Answer,
    freshness::{FreshnessGate, StalePolicy},
    run::{RunTrigger, Usage},
    schedule::{Schedule, start_offset},
    step::{ModelProvider, StepBody},
    task::TaskSpec,
};
use store::{AfterFailure, AfterHold, ClaimedRun, Error, Scope, Store};
use testkit::world::task_spec;

use super::{
    calendar::{Instant, Plan},
    reference::{Hold, Key, Reference},
    story::{Data, Deed, Expiry, Step, Story, Work, WorkKind},
};

pub(super) struct Life {
    pub(super) story: Story,
    pub(super) reference: Reference,
    pub(super) task: TaskId,
    scope: Scope,
    user: UserId,
    spec: TaskSpec,
    /// The runs whose ids are known: those that a person started, and those that were ever claimed.
    runs: Vec<(RunId, Key)>,
    /// All that a worker was ever handed, the newest last.
    holds: Vec<(Hold, ClaimedRun)>,
}

impl Life {
    /// Makes the task. Answers also what gives it the story's id instead of a random one.
    pub(super) async fn begin(store: &Store, scope: Scope, user: UserId, story: Story) -> (Self, String) {
        let now = story.starts_at;
        let mut spec = task_spec(user);
        let expires_at = expires_at(&story.plan, story.expiry, now).filter(|expires_at| *expires_at > now);
        spec.expires_at = expires_at;
        spec.freshness = story.stale.map(|policy| FreshnessGate { connection_ids: None, policy });
        let schedule = write(&mut spec, &story.plan);
        let made = store.task_create(&scope, user, &spec, &schedule).await.expect("a task").id;
        let task = story.task;
        let offset = start_offset(task, story.spread);
        let moved = (offset - start_offset(made, story.spread)).num_milliseconds();
        let rename = format!(
            "UPDATE task SET id = '{task}' WHERE id = '{made}';
             UPDATE task_due SET task_id = '{task}', due_at = due_at + interval '{moved} ms' WHERE task_id = '{made}';"
        );
        let skips_stale = story.stale.map(|policy| policy == StalePolicy::Skip);
        let reference = Reference::new(story.plan.clone(), expires_at, story.grace, offset, skips_stale, now);
        (Self { story, reference, task, scope, user, spec, runs: vec![], holds: vec![] }, rename)
    }

    pub(super) fn workspace(&self) -> WorkspaceId {
        self.scope.workspace_id()
    }

    /// What people do. An error tells where reference and store first differ.
    pub(super) async fn act(&mut self, store: &Store, deeds: &[Deed], now: Instant) -> Result<(), String> {
        for deed in deeds {
            let (expected, seen) = self.deed(store, deed, now).await;
            agree(deed, &expected, &seen)?;
        }
        Ok(())
    }

    async fn deed(&mut self, store: &Store, deed: &Deed, now: Instant) -> (String, String) {
        let (scope, task) = (self.scope, self.task);
        match deed {
            Deed::Pause => (told(self.reference.pause(now)), seen(store.task_pause(&scope, task).await)),
            Deed::Resume => (told(self.reference.resume(now)), seen(store.task_resume(&scope, task).await)),
            Deed::Edit(plan) => self.edit(store, plan.clone(), now).await,
            Deed::Shift(hours) => {
                let mut plan = self.reference.plan.clone();
                plan.hour = (plan.hour + hours) % 24;
                self.edit(store, plan, now).await
            }
            Deed::Move(zone) => {
                let plan = Plan { zone: *zone, ..self.reference.plan.clone() };
                self.edit(store, plan, now).await
            }
            Deed::Rename => {
                self.spec.title.push('!');
                self.edit(store, self.reference.plan.clone(), now).await
            }
            Deed::Extend(expiry) => {
                let expires_at = expires_at(&self.reference.plan, *expiry, now);
                let extended = store.task_extend(&scope, task, expires_at).await;
                (told(self.reference.extend(expires_at, now)), seen(extended))
            }
            Deed::SetGrace(grace) => {
                let mut settings = store.workspace_get(&scope).await.expect("the workspace").settings;
                settings.grace_seconds = grace.num_seconds() as u32;
                self.reference.set_grace(*grace);
                ("ok".to_owned(), seen(store.workspace_settings_put(&scope, &settings).await))
            }
            Deed::RunNow | Deed::TestToMe => {
                let test_to = matches!(deed, Deed::TestToMe).then_some(self.user);
                let expected = self.reference.run_now(test_to.is_some(), now);
                let started = store.task_run(&scope, task, test_to).await;
                if let (Ok(key), Ok(started)) = (&expected, &started) {
                    self.runs.push((started.run_id, *key));
                }
                (told(expected), seen(started))
            }
            Deed::CancelRun(which) => match recent(&self.runs, *which) {
                None => ("ok".to_owned(), "ok".to_owned()),
                Some((id, key)) => {
                    (told(self.reference.cancel_run(key, now)), seen(store.run_cancel(&scope, id).await))
                }
            },
            Deed::Delete => (told(self.reference.delete(now)), seen(store.task_delete(&scope, task).await)),
            Deed::Deactivate => {
                self.reference.deactivate(now);
                ("ok".to_owned(), seen(store.member_deactivate(&scope, self.user).await))
            }
            // Rule 8: it revives nothing.
            Deed::Reactivate => ("ok".to_owned(), seen(store.member_reactivate(&scope, self.user).await)),
            Deed::Grant(amount) => {
                let credits = Credits::from_micros(amount * 1_000_000);
                let woken = store.credit_grant(&scope, credits, "a story").await.expect("a grant");
                (self.reference.grant(*amount, now).to_string(), woken.to_string())
            }
        }
    }

    async fn edit(&mut self, store: &Store, plan: Plan, now: Instant) -> (String, String) {
        self.spec.expires_at = self.reference.expires_at;
        let schedule = write(&mut self.spec, &plan);
        let edited = store.task_update(&self.scope, self.task, &self.spec, &schedule, None).await;
        (told(self.reference.edit(&plan, now)), seen(edited))
    }

    /// Takes note of what a worker was handed of this task, which must be all that the reference would hand out.
    pub(super) fn claimed(&mut self, claimed: Vec<ClaimedRun>, now: Instant) -> Result<(), String> {
        let expected = self.reference.claim(now);
        let mut by_key: HashMap<Key, ClaimedRun> = HashMap::new();
        for run in claimed {
            let by_hand = self.runs.iter().find(|(id, _)| *id == run.lease.run_id).map(|(_, key)| *key);
            let key = by_hand.or(run.occurrence.map(|window| Key::Date(window.date)));
            by_key.insert(key.expect("a run that was made"), run);
        }
        let mut keys: Vec<_> = by_key.keys().map(|key| format!("{key:?}")).collect();
        let mut expected_keys: Vec<_> = expected.iter().map(|hold| format!("{:?}", hold.key)).collect();
        keys.sort();
        expected_keys.sort();
        agree(&"Claim", &expected_keys.join(", "), &keys.join(", "))?;
        for hold in expected {
            let Some(run) = by_key.remove(&hold.key) else { continue };
            if !self.runs.iter().any(|(id, _)| *id == run.lease.run_id) {
                self.runs.push((run.lease.run_id, hold.key));
            }
            self.holds.push((hold, run));
        }
        Ok(())
    }

    /// What workers do in a step.
    pub(super) async fn work(&mut self, store: &Store, step: &Step, now: Instant) -> Result<(), String> {
        for Work { which, what } in &step.works {
            let Some((hold, run)) = recent(&self.holds, *which) else { continue };
            let (scope, lease) = (&run.scope, &run.lease);
            let (expected, seen) = match what {
                WorkKind::Heartbeat => {
                    let held = store.run_heartbeat(&[*lease]).await.expect("a heartbeat");
                    let seen = match held.first() {
                        None => "LeaseLost".to_owned(),
                        Some(held) => {
                            held.stop.map_or("ok".to_owned(), |reason| format!("stopped {}", reason.as_str()))
                        }
                    };
                    (told(self.reference.heartbeat(hold, now)), seen)
                }
                WorkKind::Step => {
                    let body = StepBody::Notice { text: "it thinks".to_owned() };
                    let step = store.step_begin(&run, &body, 1).await;
                    (told(self.reference.step(hold)), seen(step))
                }
                WorkKind::Spend => {
                    let step = store.step_begin(&run, &a_reply_for_a_credit(), 1).await;
                    (told(self.reference.spend(hold)), seen(step))
                }
                WorkKind::Look(data) => {
                    let seen = self.look_at_data(store, &run, *data).await;
                    (self.reference.look_at_data(hold, *data, now), seen)
                }
                WorkKind::Succeed => {
                    let ended = store.run_succeed(scope, lease, &Answer::default(), &Usage::default()).await;
                    if matches!(ended, Err(Error::RunStopped(_))) {
                        store.run_stop(scope, lease, &Usage::default()).await.expect("a stop");
                    }
                    (told(self.reference.succeed(hold, now)), seen(ended))
                }
                WorkKind::Fail(reason) => {
                    let after = store.run_fail(scope, lease, *reason, "it failed", &Usage::default()).await;
                    let expected = self.reference.fail(hold, reason.as_str(), reason.is_transient(), now);
                    let after = match after {
                        Ok(AfterFailure::Ended) => "ended".to_owned(),
                        Ok(AfterFailure::RetryAt(at)) => format!("again at {at}"),
                        Ok(AfterFailure::WaitsForCredits) => "waits for credits".to_owned(),
                        Err(error) => seen::<()>(Err(error)),
                    };
                    (expected, after)
                }
                WorkKind::Release => {
                    let released = store.run_release(&[*lease]).await.expect("a release");
                    (u64::from(self.reference.release(hold, now)).to_string(), released.to_string())
                }
            };
            agree(&format!("{what:?} of {:?}", hold.key), &expected, &seen)?;
        }
        Ok(())
    }

    /// What the agent's gate does with the data that it found (`agent/src/gate.rs`), without a warehouse in which to find it.
    async fn look_at_data(&self, store: &Store, run: &ClaimedRun, data: Data) -> String {
        let (scope, lease) = (&run.scope, &run.lease);
        let Some(gate) = &self.spec.freshness else { return "open".to_owned() };
        if run.trigger != RunTrigger::Schedule {
            return "open".to_owned();
        }
        let Some(found) = data.trouble() else {
            return match store.run_found_fresh(scope, lease).await {
                Ok(()) => "open".to_owned(),
                Err(refused) => turned_away(store, run, refused).await,
            };
        };
        let steps = store.step_list(scope, run.thread_id, 0).await.expect("steps");
        if !steps.is_empty() {
            return "open".to_owned();
        }
        match store.run_hold(scope, lease, found).await {
            Ok(AfterHold::LookAt(at)) => return format!("held until {at}"),
            Ok(AfterHold::Skipped) => return "skipped".to_owned(),
            Ok(AfterHold::TimeIsUp) => {}
            Err(refused) => return turned_away(store, run, refused).await,
        }
        match gate.policy {
            StalePolicy::SendStale => "open".to_owned(),
            StalePolicy::Skip => {
                let skipped = store.run_skip_stale(scope, lease, found).await;
                skipped.map_or_else(|refused| seen::<()>(Err(refused)), |()| "skipped".to_owned())
            }
        }
    }
}

/// What a worker does that is refused at the gate: a run that was to stop ends.
async fn turned_away(store: &Store, run: &ClaimedRun, refused: Error) -> String {
    if matches!(refused, Error::RunStopped(_)) {
        store.run_stop(&run.scope, &run.lease, &Usage::default()).await.expect("a stop");
    }
    seen::<()>(Err(refused))
}

fn a_reply_for_a_credit() -> StepBody {
    StepBody::Model {
        model: "openai:some-model".to_owned(),
        provider: ModelProvider::Server,
        text: String::new(),
        tool_calls: vec![],
        tokens_in: 10,
        tokens_out: 1,
        credits: 1.0,
    }
}

fn agree(deed: &impl std::fmt::Debug, expected: &str, seen: &str) -> Result<(), String> {
    if expected == seen {
        return Ok(());
    }
    Err(format!("{deed:?}: the rules say `{expected}`, the store said `{seen}`"))
}

fn told<T>(outcome: Result<T, impl Into<String>>) -> String {
    outcome.map_or_else(Into::into, |_| "ok".to_owned())
}

fn seen<T>(outcome: store::Result<T>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(Error::Conflict(conflict)) => format!("{conflict:?}"),
        Err(Error::RunStopped(reason)) => format!("stopped {}", reason.as_str()),
        Err(Error::NotFound) => "NotFound".to_owned(),
        Err(Error::Invalid(_)) => "Invalid".to_owned(),
        Err(Error::LeaseLost) => "LeaseLost".to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

/// One of the newest.
fn recent<T: Clone>(values: &[T], which: u8) -> Option<T> {
    values.iter().rev().nth(which.into()).or(values.last()).cloned()
}

fn write(spec: &mut TaskSpec, plan: &Plan) -> Schedule {
    spec.schedule = serde_json::from_value(plan.to_json()).expect("a schedule");
    Schedule::parse(spec.schedule.clone(), "").expect("a schedule")
}

fn expires_at(plan: &Plan, expiry: Expiry, now: Instant) -> Option<Instant> {
    match expiry {
        Expiry::Never => None,
        Expiry::In(time) => Some(now + time),
        Expiry::AtWindow(number, offset) => {
            let occurrence = plan.occurrences_after(now - TimeDelta::hours(3)).nth(number);
            occurrence.map(|occurrence| occurrence.opens_at + offset)
        }
    }
}
