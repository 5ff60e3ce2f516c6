//! The loop of one turn: ask the model, run the tools that it calls, until there is an answer.
//!
//! What happens next is decided from the recorded steps alone. A turn that is taken up again on another worker therefore
//! goes on where the last recorded step ended: no finished model call or query is repeated.

mod next;

use std::{collections::HashSet, time::Duration};

use domain::{
    answer::{Answer, ShownResult},
    credit_cap::CapSubject,
    run::{RunReason, Usage},
    step::{ModelProvider, StepBody, ToolCall},
};
use fail::fail_point;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use warehouse::Warehouse;

use crate::{
    conversation,
    failure::Failure,
    figures::{self, Draft},
    journal::{FinishedStep, Journal, KnownChart, KnownResult, Opening},
    limits::{Allowance, Budget, Limit, Limits, Standing},
    model::{ModelError, ModelReply, ModelRequest},
    price::Prices,
    prompt,
    provider::{self, Chain, Models, Replied},
    tools::{self, ANSWER, Desk, Outcome, Repair, Tables, Told, Trouble},
    verified::Verified,
};
use next::Next;

/// The most tool calls of one reply that are run.
const CALLS_PER_REPLY: usize = 8;
/// The longest text of a reply that is kept, in bytes.
const TEXT_MAX: usize = 100_000;
/// How often text that a model is writing is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(100);

/// What turns share.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) warehouse: Warehouse,
    pub(crate) charts: chart::Pool,
    pub(crate) models: Models,
    pub(crate) limits: Limits,
    pub(crate) prices: Prices,
}

/// The signals that end a turn early.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    /// Stop now: the turn was cancelled, or its lease may be lost.
    pub(crate) stop: CancellationToken,
    /// Stop before the next step: the process is going down.
    pub(crate) drain: CancellationToken,
}

/// How a turn ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) answer: Answer,
    pub(crate) usage: Usage,
    pub(crate) steps: u32,
    /// The limit that cut it short, if one did.
    pub(crate) limit: Option<Limit>,
}

/// Runs a turn to its end, from its beginning or from its last recorded step.
pub(crate) async fn run(
    journal: &Journal,
    runtime: &Runtime,
    signals: &Signals,
    opening: Opening,
) -> Result<Ended, Failure> {
    if opening.context.connections.is_empty() {
        return Err(Failure::new(
            RunReason::InvalidContext,
            "There is no data connection that may be queried for this question.",
        ));
    }
    Turn::new(journal, runtime, signals, opening).run().await
}

struct Turn<'a> {
    journal: &'a Journal,
    runtime: &'a Runtime,
    signals: &'a Signals,
    opening: Opening,
    /// Who is asked for the next reply.
    chain: Chain,
    /// Who replied last; before the first reply, who is asked first.
    model_name: String,
    /// The caps of which people were told in this turn, and whether they were reached.
    told: Vec<(CapSubject, bool)>,
    steps: Vec<FinishedStep>,
    results: Vec<KnownResult>,
    charts: Vec<KnownChart>,
    tables: Tables,
    verified: Verified,
    budget: Budget,
    /// When the last step was recorded, or this attempt began.
    since: Instant,
}

impl<'a> Turn<'a> {
    fn new(journal: &'a Journal, runtime: &'a Runtime, signals: &'a Signals, mut opening: Opening) -> Self {
        let steps = std::mem::take(&mut opening.steps);
        let results = std::mem::take(&mut opening.results);
        let charts = std::mem::take(&mut opening.charts);
        let verified = Verified::new(opening.has_verified);
        let mut budget = Budget::new(runtime.limits);
        if let Some(clearance) = &opening.clearance {
            budget.hold_to(&clearance.caps);
        }
        for step in &steps {
            budget.count(&step.body, step.elapsed);
        }
        for result in results.iter().filter(|result| result.turn_no == opening.turn_no) {
            budget.count_result(&result.sql, result.row_count);
        }
        let chain = match (&opening.own_model, opening.workspace_id) {
            (Some(own), Some(workspace_id)) => runtime.models.own(workspace_id, own),
            (_, workspace_id) => {
                if let Some(workspace_id) = workspace_id {
                    runtime.models.forget_own(workspace_id);
                }
                runtime.models.server(Allowance::Full)
            }
        };
        let replied_last = steps.iter().rev().find_map(|step| match &step.body {
            StepBody::Model { model, .. } => Some(model.clone()),
            _ => None,
        });
        Self {
            journal,
            runtime,
            signals,
            opening,
            model_name: replied_last.unwrap_or_else(|| chain.name()),
            chain,
            told: Vec::new(),
            steps,
            results,
            charts,
            tables: Tables::default(),
            verified,
            budget,
            since: Instant::now(),
        }
    }

    /// Thousands of turns wait for their models at a time, each in the room that this takes: what comes before and after a wait
    /// has room of its own, for as long as it lasts.
    async fn run(mut self) -> Result<Ended, Failure> {
        loop {
            match self.next() {
                Next::Call(call) => {
                    if let Some(limit) = self.budget.exceeded(self.since.elapsed()) {
                        return Ok(self.cut_short(limit));
                    }
                    Box::pin(self.stop_if_asked()).await?;
                    if let Some(answer) = Box::pin(self.call(&call)).await? {
                        return Ok(self.ended(answer, None));
                    }
                }
                Next::Accepted(call) => {
                    // Taken before this worker took over: read again, which gives the same answer.
                    let answer = match Box::pin(tools::read_answer(&self.desk(Repair::Done), &call)).await {
                        Ok(answer) => answer,
                        Err(Trouble::Failure(failure)) => return Err(failure),
                        Err(Trouble::Told(Told { message, .. })) => {
                            return Err(Failure::new(RunReason::Internal, message));
                        }
                    };
                    return Ok(self.ended(answer, None));
                }
                Next::Nudge => Box::pin(self.notice(prompt::CALL_ANSWER)).await?,
                Next::Spoken(text) => {
                    let answer = Box::pin(self.spoken_answer(&text)).await?;
                    return Ok(self.ended(answer, None));
                }
                Next::Reply => {
                    let is_last = match self.budget.standing(self.since.elapsed()) {
                        Standing::Exceeded(limit) => return Ok(self.cut_short(limit)),
                        Standing::LastCall => true,
                        Standing::Room => self.was_last_called(),
                    };
                    Box::pin(self.demand_clearance()).await?;
                    if is_last && !self.was_last_called() {
                        Box::pin(self.notice(prompt::LAST_CALL)).await?;
                    }
                    if let Some(limit) = self.reply(is_last).await? {
                        return Ok(self.cut_short(limit));
                    }
                }
            }
        }
    }

    /// Demands that the turn may ask a model for a reply, and chooses which. What the opening has just found out is not asked
    /// again. A turn that opened with its workspace's own provider costs no credits, and one that did not is held to credits and
    /// caps to its end, whatever is set up meanwhile.
    async fn demand_clearance(&mut self) -> Result<(), Failure> {
        let is_asked_to_end = self.signals.stop.is_cancelled() || self.signals.drain.is_cancelled();
        let known = self.opening.clearance.take().filter(|_| !is_asked_to_end);
        let clearance = if let Some(clearance) = known {
            clearance
        } else {
            self.stop_if_asked().await?;
            if self.opening.own_model.is_some() {
                return Ok(());
            }
            self.journal.clearance().await?
        };
        for cap in clearance.caps.iter().filter(|cap| cap.is_near()) {
            let told = (cap.subject, cap.is_reached());
            if !self.told.contains(&told) {
                self.journal.tell_cap(cap).await;
                self.told.push(told);
            }
        }
        let allowance = self.budget.allowance(&clearance)?;
        // A workspace's own provider costs no credits, so there is nothing to be thrifty with.
        if self.opening.own_model.is_none() {
            self.chain = self.runtime.models.server(allowance);
        }
        Ok(())
    }

    async fn stop_if_asked(&self) -> Result<(), Failure> {
        if self.signals.stop.is_cancelled() {
            // The journal knows why; a lease that may be lost has no other word.
            self.journal.check().await?;
            return Err(Failure::LeaseLost);
        }
        if self.signals.drain.is_cancelled() {
            return Err(Failure::HandedBack);
        }
        self.journal.check().await
    }

    /// Asks the model. Answers the limit that ended the wait, if one did.
    async fn reply(&mut self, is_last: bool) -> Result<Option<Limit>, Failure> {
        let request = ModelRequest {
            system: prompt::SYSTEM,
            messages: conversation::messages(&self.opening, &self.steps),
            tools: tools::specs(is_last, self.opening.context.is_task),
            max_tokens_out: self.runtime.limits.reply_tokens,
        };
        let time_left = self.budget.time_left(self.since.elapsed());
        let (deltas, received) = mpsc::channel(64);
        let asked = async {
            let reply = self.chain.reply(&request, time_left, &deltas).await;
            // Lets the showing end.
            drop(deltas);
            reply
        };
        let both = async { tokio::join!(asked, show(self.journal, received)).0 };
        let reply = tokio::select! {
            reply = tokio::time::timeout(time_left, both) => reply,
            () = self.signals.stop.cancelled() => {
                Box::pin(self.journal.check()).await?;
                return Err(Failure::LeaseLost);
            }
        };
        let reply = match reply {
            Err(_) => return Ok(Some(Limit::WallTime(self.runtime.limits.wall_time))),
            Ok(Err(error)) => return Err(failure(error)),
            Ok(Ok(reply)) => reply,
        };
        fail_point!("agent::model_replied");
        let body = self.model_step(reply);
        Box::pin(self.record(body)).await?;
        Ok(None)
    }

    fn model_step(&mut self, replied: Replied) -> StepBody {
        let Replied { model, provider, reply } = replied;
        let ModelReply { mut text, mut tool_calls, tokens_in, tokens_out } = reply;
        if text.len() > TEXT_MAX {
            let cut = (0..=TEXT_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(cut);
        }
        let mut taken: HashSet<String> = self
            .steps
            .iter()
            .flat_map(|step| match &step.body {
                StepBody::Model { tool_calls, .. } => tool_calls.iter().map(|call| call.id.clone()).collect(),
                _ => vec![],
            })
            .collect();
        for (position, call) in tool_calls.iter_mut().enumerate() {
            // What is run for a call besides is stored under its id and a slash.
            let is_usable = !call.id.is_empty()
                && call.id.len() <= 64
                && !call.id.contains('/')
                && !taken.contains(&call.id);
            if !is_usable {
                call.id = format!("call_{}_{}", self.steps.len() + 1, position + 1);
            }
            taken.insert(call.id.clone());
        }
        let credits = match provider {
            ModelProvider::Server | ModelProvider::Fallback => {
                self.runtime.prices.credits(&model, tokens_in, tokens_out).as_f64()
            }
            // The workspace pays its provider itself.
            ModelProvider::Workspace => 0.0,
        };
        self.model_name.clone_from(&model);
        StepBody::Model { model, provider, text, tool_calls, tokens_in, tokens_out, credits }
    }

    /// Runs a tool call and records its output. Answers the answer when this was one that was taken.
    async fn call(&mut self, call: &ToolCall) -> Result<Option<Answer>, Failure> {
        let repair = if self.was_last_called() { Repair::Done } else { Repair::after(self.tool_outputs()) };
        let outcome = if let Some(refusal) = self.refusal(call) {
            Outcome::failed(refusal)
        } else {
            let desk = self.desk(repair);
            tokio::select! {
                // First, so that a query hears of the stop and has its server stop, too, before it is dropped.
                biased;
                outcome = tools::call(&desk, call) => outcome?,
                () = self.signals.stop.cancelled() => {
                    self.journal.check().await?;
                    return Err(Failure::LeaseLost);
                }
            }
        };
        fail_point!("agent::tool_ran");
        let Outcome { output, is_error, result, chart, answer } = outcome;
        let body = StepBody::Tool {
            call_id: call.id.clone(),
            name: call.name.clone(),
            output,
            is_error,
            result: result.as_ref().map(|result| result.handle.clone()),
            chart: chart.as_ref().map(|chart| chart.handle.clone()),
        };
        self.record(body).await?;
        // One that was stored before a crash is known already.
        if let Some(result) = result.filter(|new| self.results.iter().all(|known| known.id != new.id)) {
            self.budget.count_result(&result.sql, result.row_count);
            self.results.push(result);
        }
        if let Some(chart) = chart.filter(|new| self.charts.iter().all(|known| known.id != new.id)) {
            self.charts.push(chart);
        }
        Ok(answer)
    }

    /// Why a call is not run at all.
    fn refusal(&self, call: &ToolCall) -> Option<Told> {
        if self.was_last_called() && call.name != ANSWER {
            return Some(Told::new("limit_reached", prompt::ONLY_ANSWER, prompt::LAST_CALL));
        }
        let position = self.steps.iter().rev().find_map(|step| match &step.body {
            StepBody::Model { tool_calls, .. } => {
                Some(tool_calls.iter().position(|known| known.id == call.id))
            }
            _ => None,
        });
        if position.flatten().is_some_and(|position| position >= CALLS_PER_REPLY) {
            return Some(Told::new(
                "too_many_calls",
                format!("only {CALLS_PER_REPLY} calls of one reply are run"),
                "Call it again in the next reply if it is still needed.",
            ));
        }
        None
    }

    fn tool_outputs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.steps.iter().filter_map(|step| match &step.body {
            StepBody::Tool { name, output, .. } => Some((name.as_str(), output)),
            _ => None,
        })
    }

    fn desk(&self, repair: Repair) -> Desk<'_> {
        Desk {
            journal: self.journal,
            warehouse: &self.runtime.warehouse,
            charts: &self.runtime.charts,
            context: &self.opening.context,
            prompt: &self.opening.prompt,
            turn_no: self.opening.turn_no,
            model_name: &self.model_name,
            results: &self.results,
            known_charts: &self.charts,
            tables: &self.tables,
            verified: &self.verified,
            has_method: self.opening.has_method,
            query_limits: self.budget.query_limits(self.since.elapsed()),
            time_left: self.budget.time_left(self.since.elapsed()),
            cancel: &self.signals.stop,
            repair,
        }
    }

    async fn notice(&mut self, text: &str) -> Result<(), Failure> {
        self.record(StepBody::Notice { text: text.to_owned() }).await
    }

    /// Records a step; only then may its effect be used.
    async fn record(&mut self, body: StepBody) -> Result<(), Failure> {
        let elapsed = self.since.elapsed();
        self.journal.append(&body, elapsed).await?;
        fail_point!("agent::step_recorded");
        self.since = Instant::now();
        self.budget.count(&body, elapsed);
        self.steps.push(FinishedStep { body, elapsed });
        Ok(())
    }

    /// What a model said without calling `answer`, as an answer.
    async fn spoken_answer(&self, text: &str) -> Result<Answer, Failure> {
        let text = text.trim();
        let (headline, body) = text.split_once('\n').unwrap_or((text, ""));
        let headline = headline.trim_matches(['#', '*', ' ']);
        let (headline, body) = if headline.chars().count() > 300 {
            ("The analyst's reply is below.", text)
        } else {
            (headline, body.trim())
        };
        let results: Vec<&str> =
            self.last_result().map(|result| result.handle.as_str()).into_iter().collect();
        for is_retry in [false, true] {
            let plain = |text: &str| if is_retry { figures::none_in(text) } else { text.to_owned() };
            let call = ToolCall {
                id: String::new(),
                name: ANSWER.to_owned(),
                arguments: json!({ "headline": plain(headline), "body": plain(body), "results": results }),
            };
            match tools::read_answer(&self.desk(Repair::Done), &call).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Failure(failure)) => return Err(failure),
                Err(Trouble::Told(_)) => {}
            }
        }
        Ok(self.plain_answer("The analyst gave no answer that could be read.".to_owned(), ""))
    }

    /// The last result that the model asked for: not that of a pinned query, which a crash may have left behind.
    fn last_result(&self) -> Option<&KnownResult> {
        let handle = self.steps.iter().rev().find_map(|step| match &step.body {
            StepBody::Tool { name, result, .. } if name != ANSWER => result.as_ref(),
            _ => None,
        })?;
        self.results.iter().find(|result| result.handle == *handle)
    }

    /// The answer of a turn that a limit has ended.
    fn cut_short(self, limit: Limit) -> Ended {
        let said = self.steps.iter().rev().find_map(|step| match &step.body {
            StepBody::Model { text, .. } if !text.trim().is_empty() => Some(text.trim()),
            _ => None,
        });
        let said: String = said.unwrap_or_default().chars().take(500).collect();
        let handles: Vec<&str> =
            self.last_result().map(|result| result.handle.as_str()).into_iter().collect();
        let body = prompt::limit_body(&handles, &said);
        let answer = self.plain_answer(prompt::limit_headline(limit), &body);
        self.ended(answer, Some(limit))
    }

    /// An answer in the loop's own words. What it quotes of the model is marked like any other prose.
    fn plain_answer(&self, headline: String, body: &str) -> Answer {
        let quoted = figures::none_in(body);
        let draft = Draft { headline: String::new(), body: quoted.clone(), caveats: vec![] };
        let resolved = figures::resolve(&draft, &[], &figures::Question::default()).ok();
        let checked_share = resolved.as_ref().map_or(1.0, figures::Resolved::checked_share);
        let (body, figures) = resolved.map_or((quoted, vec![]), |resolved| (resolved.body, resolved.figures));
        Answer {
            headline,
            body,
            figures,
            results: self
                .last_result()
                .map(|result| ShownResult { id: result.id, handle: result.handle.clone() })
                .into_iter()
                .collect(),
            charts: vec![],
            caveats: vec![],
            checked_share,
            model: self.model_name.clone(),
            checked: None,
            why: None,
            choices: vec![],
            stale: None,
            verified: None,
            method: None,
        }
    }

    fn ended(self, answer: Answer, limit: Option<Limit>) -> Ended {
        Ended { answer, usage: self.budget.usage(), steps: self.budget.steps(), limit }
    }
}

/// Shows text as it comes in, a few times a second.
async fn show(journal: &Journal, mut received: mpsc::Receiver<String>) {
    while let Some(first) = received.recv().await {
        let mut text = first;
        let until = Instant::now() + SHOWN_EVERY;
        while let Ok(Some(more)) = tokio::time::timeout_at(until, received.recv()).await {
            text.push_str(&more);
        }
        journal.show(&text).await;
    }
}

fn failure(error: ModelError) -> Failure {
    let reason = RunReason::ModelUnavailable;
    match error {
        ModelError::Unavailable { message, retry_after: None } => {
            Failure::new(reason, format!("The model could not be reached: {message}"))
        }
        ModelError::Unavailable { message, retry_after: Some(wait) }
        | ModelError::Busy { message, retry_after: wait } => Failure::Failed {
            reason,
            message: format!(
                "The model could not be reached: {}. It may be asked again in {}.",
                message.trim_end_matches('.'),
                provider::in_words(wait)
            ),
            retry_after: Some(wait),
        },
        ModelError::Refused { message } | ModelError::Denied { message } => {
            Failure::new(reason, format!("The model's provider refused: {message}"))
        }
    }
}
