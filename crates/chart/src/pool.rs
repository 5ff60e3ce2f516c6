//! Charts from async code.

use std::sync::Arc;

use domain::table::Table;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{Error, Options, Prepared, Rendered};

/// Draws charts on blocking threads, a few at a time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    permits: Arc<Semaphore>,
}

impl Pool {
    /// A pool that draws up to `parallel` charts at a time (at least 1); more of them wait.
    pub fn new(parallel: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(parallel.max(1))) }
    }

    /// [`crate::prepare`], off the async threads.
    pub async fn prepare(&self, spec: Value, table: Arc<Table>, options: Options) -> Result<Prepared, Error> {
        self.run(move || crate::prepare(&spec, &table, &options)).await
    }

    /// [`crate::render`], off the async threads.
    pub async fn render(&self, prepared: Arc<Prepared>) -> Result<Rendered, Error> {
        self.run(move || crate::render(&prepared)).await
    }

    /// [`crate::render_vega`], off the async threads.
    pub async fn render_vega(&self, vega: Value) -> Result<Rendered, Error> {
        self.run(move || crate::render_vega(&vega)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
        .unwrap_or_else(|failure| Err(Error::Engine { message: failure.to_string() }))
    }
}
