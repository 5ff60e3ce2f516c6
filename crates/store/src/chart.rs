//! Charts over results, as drawn.

use chrono::{DateTime, Utc};
use domain::{ChartId, ResultId, ThreadId};
use serde_json::Value;
use uuid::Uuid;

use crate::{Error, Result, RunLease, Scope, Store, Tx, error::without_nul, run_queue};

/// A chart to store.
#[derive(Clone, Debug)]
pub struct NewChart<'a> {
    /// The thread.
    pub thread_id: ThreadId,
    /// The turn.
    pub turn_no: u32,
    /// The tool call that made it. The same call stores one chart, however often it is tried.
    pub call_id: &'a str,
    /// The result that it shows.
    pub result_id: ResultId,
    /// Its title.
    pub title: &'a str,
    /// What it shows, in words.
    pub alt: &'a str,
    /// As the agent wrote it: Vega-Lite without data.
    pub spec: &'a Value,
    /// Compiled Vega with its data.
    pub vega: &'a Value,
    /// Drawn.
    pub svg: &'a str,
    /// Drawn, at twice the size in pixels.
    pub png: &'a [u8],
    /// Width in pixels of the page.
    pub width: u32,
    /// Height in pixels of the page.
    pub height: u32,
}

/// A stored chart, without its drawings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChart {
    /// Its id.
    pub id: ChartId,
    /// The thread.
    pub thread_id: ThreadId,
    /// Its handle in the thread: `c1`.
    pub handle: String,
    /// The turn.
    pub turn_no: u32,
    /// The tool call that made it.
    pub call_id: String,
    /// The result that it shows.
    pub result_id: ResultId,
    /// Its title.
    pub title: String,
    /// What it shows, in words.
    pub alt: String,
    /// Width in pixels of the page.
    pub width: u32,
    /// Height in pixels of the page.
    pub height: u32,
    /// When it was drawn.
    pub created_at: DateTime<Utc>,
}

struct ChartRow {
    id: Uuid,
    thread_id: Uuid,
    number: i32,
    turn_no: i32,
    call_id: String,
    result_id: Uuid,
    title: String,
    alt: String,
    width: i32,
    height: i32,
    created_at: DateTime<Utc>,
}

impl From<ChartRow> for StoredChart {
    fn from(row: ChartRow) -> Self {
        Self {
            id: row.id.into(),
            thread_id: row.thread_id.into(),
            handle: format!("c{}", row.number),
            turn_no: row.turn_no.unsigned_abs(),
            call_id: row.call_id,
            result_id: row.result_id.into(),
            title: row.title,
            alt: row.alt,
            width: row.width.unsigned_abs(),
            height: row.height.unsigned_abs(),
            created_at: row.created_at,
        }
    }
}

impl Store {
    /// Stores a chart under the thread's next handle, or finds the one that the same call stored before. `LeaseLost`,
    /// `RunStopped`.
    pub async fn chart_store(
        &self,
        scope: &Scope,
        lease: &RunLease,
        chart: &NewChart<'_>,
    ) -> Result<StoredChart> {
        let mut tx = self.begin(scope).await?;
        run_queue::hold(&mut tx, lease).await?;
        if let Some(stored) = find_by_call(&mut tx, chart).await? {
            return Ok(stored);
        }
        let number = sqlx::query_scalar!(
            "UPDATE thread SET last_chart_no = last_chart_no + 1 WHERE workspace_id = $1 AND id = $2
             RETURNING last_chart_no",
            tx.workspace_id(),
            chart.thread_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::NotFound)?;
        let row = ChartRow {
            id: ChartId::new(tx.now).as_uuid(),
            thread_id: chart.thread_id.as_uuid(),
            number,
            turn_no: chart.turn_no as i32,
            call_id: chart.call_id.to_owned(),
            result_id: chart.result_id.as_uuid(),
            title: without_nul(chart.title),
            alt: without_nul(chart.alt),
            width: chart.width as i32,
            height: chart.height as i32,
            created_at: tx.now,
        };
        sqlx::query!(
            "INSERT INTO chart (workspace_id, id, thread_id, turn_no, number, call_id, result_id, title, alt, spec, vega,
                 svg, png, width, height, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json, $11::text::json, $12, $13, $14, $15, $16)",
            tx.workspace_id(),
            row.id,
            row.thread_id,
            row.turn_no,
            number,
            row.call_id,
            row.result_id,
            row.title,
            row.alt,
            chart.spec.to_string(),
            chart.vega.to_string(),
            without_nul(chart.svg),
            chart.png,
            row.width,
            row.height,
            row.created_at
        )
        .execute(tx.db())
        .await?;
        tx.commit().await?;
        Ok(row.into())
    }

    /// The charts of a thread, by handle.
    pub async fn chart_list(&self, scope: &Scope, thread_id: ThreadId) -> Result<Vec<StoredChart>> {
        chart_list(&mut self.begin(scope).await?, thread_id).await
    }

    /// One chart.
    pub async fn chart_get(&self, scope: &Scope, id: ChartId) -> Result<Option<StoredChart>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query_as!(
            ChartRow,
            "SELECT id, thread_id, number, turn_no, call_id, result_id, title, alt, width, height, created_at
             FROM chart WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        Ok(row.map(StoredChart::from))
    }

    /// A chart as compiled Vega with its data.
    pub async fn chart_vega(&self, scope: &Scope, id: ChartId) -> Result<Option<Value>> {
        let mut tx = self.begin(scope).await?;
        let vega = sqlx::query_scalar!(
            "SELECT vega FROM chart WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid()
        );
        Ok(vega.fetch_optional(tx.db()).await?)
    }

    /// A chart as SVG.
    pub async fn chart_svg(&self, scope: &Scope, id: ChartId) -> Result<Option<String>> {
        let mut tx = self.begin(scope).await?;
        let svg = sqlx::query_scalar!(
            "SELECT svg FROM chart WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid()
        );
        Ok(svg.fetch_optional(tx.db()).await?)
    }

    /// A chart as PNG, at twice its size in pixels.
    pub async fn chart_png(&self, scope: &Scope, id: ChartId) -> Result<Option<Vec<u8>>> {
        let mut tx = self.begin(scope).await?;
        let png = sqlx::query_scalar!(
            "SELECT png FROM chart WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid()
        );
        Ok(png.fetch_optional(tx.db()).await?)
    }
}

/// The charts of a thread, by handle.
pub(crate) async fn chart_list(tx: &mut Tx, thread_id: ThreadId) -> Result<Vec<StoredChart>> {
    let rows = sqlx::query_as!(
        ChartRow,
        "SELECT id, thread_id, number, turn_no, call_id, result_id, title, alt, width, height, created_at
         FROM chart WHERE workspace_id = $1 AND thread_id = $2 ORDER BY number",
        tx.workspace_id(),
        thread_id.as_uuid()
    )
    .fetch_all(tx.db())
    .await?;
    Ok(rows.into_iter().map(StoredChart::from).collect())
}

async fn find_by_call(tx: &mut Tx, chart: &NewChart<'_>) -> Result<Option<StoredChart>> {
    let row = sqlx::query_as!(
        ChartRow,
        "SELECT id, thread_id, number, turn_no, call_id, result_id, title, alt, width, height, created_at
         FROM chart WHERE workspace_id = $1 AND thread_id = $2 AND turn_no = $3 AND call_id = $4",
        tx.workspace_id(),
        chart.thread_id.as_uuid(),
        chart.turn_no as i32,
        chart.call_id
    )
    .fetch_optional(tx.db())
    .await?;
    Ok(row.map(StoredChart::from))
}
