//! Many small requests to the database as few large ones. Whoever asks while nothing is under way goes at once; what others ask
//! meanwhile is gathered, and goes together when that is done. So nobody waits for a timer, and the busier it gets the larger
//! the batches are.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The most requests that go together.
const BATCH_MAX: usize = 256;

/// Why a request has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The database failed, for this one or for all that went together.
    #[error(transparent)]
    Store(#[from] Arc<store::Error>),
    /// Whoever was to ask is gone.
    #[error("the process is stopping")]
    Stopped,
}

type Work<Q, A> =
    Box<dyn Fn(Vec<Q>) -> Pin<Box<dyn Future<Output = store::Result<Vec<A>>> + Send>> + Send + Sync>;

/// What asks for many at once: takes requests, answers each in their order.
pub(crate) struct Gather<Q, A>(Arc<Inner<Q, A>>);

struct Inner<Q, A> {
    work: Work<Q, A>,
    line: Mutex<Line<Q, A>>,
}

struct Line<Q, A> {
    waiting: Vec<Asked<Q, A>>,
    is_moving: bool,
}

struct Asked<Q, A> {
    request: Q,
    answer: oneshot::Sender<Result<A, Error>>,
}

impl<Q: Clone + Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// One that asks by `work`.
    pub(crate) fn new<F>(work: impl Fn(Vec<Q>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = store::Result<Vec<A>>> + Send + 'static,
    {
        let line = Mutex::new(Line { waiting: Vec::new(), is_moving: false });
        Self(Arc::new(Inner { work: Box::new(move |requests| Box::pin(work(requests))), line }))
    }

    /// The answer to one request. It is asked even if nobody waits for the answer any more.
    pub(crate) async fn ask(&self, request: Q) -> Result<A, Error> {
        let (answer, answered) = oneshot::channel();
        let starts = {
            let mut line = self.0.line();
            line.waiting.push(Asked { request, answer });
            !std::mem::replace(&mut line.is_moving, true)
        };
        if starts {
            let inner = Arc::clone(&self.0);
            tokio::spawn(async move {
                let moving = Moving(&inner);
                moving.0.move_on().await;
            });
        }
        answered.await.unwrap_or(Err(Error::Stopped))
    }
}

impl<Q, A> Inner<Q, A> {
    fn line(&self) -> MutexGuard<'_, Line<Q, A>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q: Clone, A> Inner<Q, A> {
    async fn move_on(&self) {
        loop {
            // Those who were just woken with an answer may ask next: let them in.
            tokio::task::yield_now().await;
            let batch: Vec<Asked<Q, A>> = {
                let mut line = self.line();
                let count = line.waiting.len().min(BATCH_MAX);
                if count == 0 {
                    line.is_moving = false;
                    return;
                }
                line.waiting.drain(..count).collect()
            };
            self.ask_for(batch).await;
        }
    }

    async fn ask_for(&self, batch: Vec<Asked<Q, A>>) {
        let (requests, askers): (Vec<Q>, Vec<_>) =
            batch.into_iter().map(|asked| (asked.request, asked.answer)).unzip();
        match (self.work)(requests.clone()).await {
            Ok(answers) => {
                for (asker, answer) in askers.into_iter().zip(answers) {
                    // Who no longer waits needs no answer.
                    let _ = asker.send(Ok(answer));
                }
            }
            // The database is out of reach for each of them, or there is only one.
            Err(error) if error.is_passing() || askers.len() == 1 => {
                let error = Arc::new(error);
                for asker in askers {
                    let _ = asker.send(Err(Arc::clone(&error).into()));
                }
            }
            // One of them is refused: the others must not suffer for it.
            Err(_) => {
                for (request, asker) in requests.into_iter().zip(askers) {
                    let answer = match (self.work)(vec![request]).await {
                        Ok(mut answers) => answers.pop().ok_or(Error::Stopped),
                        Err(error) => Err(Arc::new(error).into()),
                    };
                    let _ = asker.send(answer);
                }
            }
        }
    }
}

/// Leaves the line to the next who asks, whatever becomes of the one who was to move it.
struct Moving<'a, Q, A>(&'a Inner<Q, A>);

impl<Q, A> Drop for Moving<'_, Q, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut line = self.0.line();
            line.is_moving = false;
            line.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{sync::Semaphore, task::JoinSet};

    use super::*;

    #[tokio::test]
    async fn what_is_asked_meanwhile_goes_together_and_each_gets_its_own_answer() {
        let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (counted, opened) = (Arc::clone(&calls), Arc::clone(&gate));
        let gather = Arc::new(Gather::new(move |numbers: Vec<u32>| {
            let (calls, gate) = (Arc::clone(&counted), Arc::clone(&opened));
            async move {
                calls.fetch_add(1, Ordering::Relaxed);
                gate.acquire().await.expect("open").forget();
                Ok(numbers.iter().map(|number| number * 2).collect())
            }
        }));
        let mut askers = JoinSet::new();
        for number in 0..100 {
            let gather = Arc::clone(&gather);
            askers.spawn(async move { (number, gather.ask(number).await.expect("an answer")) });
        }
        gate.add_permits(100);
        for (number, answer) in askers.join_all().await {
            assert_eq!(answer, number * 2);
        }
        assert!(calls.load(Ordering::Relaxed) <= 3, "{calls:?} calls for a hundred requests");
    }

    #[tokio::test]
    async fn one_that_is_refused_spoils_it_for_nobody() {
        let gather = Arc::new(Gather::new(|numbers: Vec<u32>| async move {
            if numbers.contains(&7) { Err(store::Error::NotFound) } else { Ok(numbers) }
        }));
        let mut askers = JoinSet::new();
        for number in 0..20 {
            let gather = Arc::clone(&gather);
            askers.spawn(async move { (number, gather.ask(number).await) });
        }
        for (number, answer) in askers.join_all().await {
            assert_eq!(answer.is_ok(), number != 7, "{number}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_told_and_the_next_is_served() {
        let gather = Gather::new(|numbers: Vec<u32>| async move {
            assert!(!numbers.contains(&0), "zero");
            Ok(numbers)
        });
        assert!(matches!(gather.ask(0).await, Err(Error::Stopped)));
        assert_eq!(gather.ask(1).await.expect("an answer"), 1);
    }
}
