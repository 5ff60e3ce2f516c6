//! A turn in memory: one question over one connection, for evaluations.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use domain::{ChartId, Clock as _, ConnectionId, ResultId, clock::SystemClock, step::StepBody, table::Table};
use warehouse::ConnectionSpec;

use super::{FinishedStep, KnownChart, KnownResult, NewChart, NewResult, Opening, Reachable};
use crate::{failure::Failure, model::TurnContext};

pub(crate) struct MemoryJournal {
    context: TurnContext,
    prompt: String,
    connection_id: ConnectionId,
    spec: ConnectionSpec,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    steps: Vec<FinishedStep>,
    results: Vec<(KnownResult, Arc<Table>)>,
    charts: Vec<KnownChart>,
}

impl MemoryJournal {
    /// A turn that asks `prompt` of the first connection of `context`, which `spec` reaches.
    pub(crate) fn new(
        context: TurnContext,
        prompt: String,
        connection_id: ConnectionId,
        spec: ConnectionSpec,
    ) -> Self {
        Self { context, prompt, connection_id, spec, held: Mutex::default() }
    }

    pub(super) fn open(&self) -> Opening {
        let held = self.held();
        Opening {
            freshness: None,
            clearance: None,
            context: self.context.clone(),
            workspace_id: None,
            own_model: None,
            has_method: false,
            has_verified: false,
            past: Vec::new(),
            turn_no: 1,
            prompt: self.prompt.clone(),
            steps: held.steps.clone(),
            results: held.results.iter().map(|(result, _)| result.clone()).collect(),
            charts: held.charts.clone(),
        }
    }

    pub(super) fn append(&self, body: &StepBody, elapsed: Duration) {
        self.held().steps.push(FinishedStep { body: body.clone(), elapsed });
    }

    pub(super) fn store_result(&self, new: &NewResult) -> KnownResult {
        let mut held = self.held();
        let result = KnownResult {
            id: ResultId::new(SystemClock.now()),
            handle: format!("r{}", held.results.len() + 1),
            turn_no: 1,
            connection_id: new.connection_id,
            sql: new.sql.clone(),
            row_count: new.table.rows.len() as u64,
            elapsed: new.elapsed,
        };
        held.results.push((result.clone(), Arc::clone(&new.table)));
        result
    }

    pub(super) fn store_chart(&self, new: &NewChart) -> KnownChart {
        let mut held = self.held();
        let chart = KnownChart {
            id: ChartId::new(SystemClock.now()),
            handle: format!("c{}", held.charts.len() + 1),
            title: new.title.clone(),
            alt: new.prepared.alt.clone(),
        };
        held.charts.push(chart.clone());
        chart
    }

    pub(super) fn table(&self, result: &KnownResult) -> Result<Arc<Table>, Failure> {
        let held = self.held();
        let found = held.results.iter().find(|(known, _)| known.id == result.id);
        found.map(|(_, table)| Arc::clone(table)).ok_or(Failure::Store(store::Error::NotFound))
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Option<Reachable> {
        (id == self.connection_id).then(|| Reachable {
            id,
            name: String::new(),
            spec: self.spec.clone(),
            limits: None,
            concurrent_queries: u32::MAX,
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no holder of this lock panics")
    }
}
