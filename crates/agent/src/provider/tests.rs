//! Who is asked how often, told by models that count.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::*;

/// What a model answers next; after the last one, for ever.
type Outcome = fn() -> Result<ModelReply, ModelError>;

struct Counting {
    name: &'static str,
    outcomes: Vec<Outcome>,
    asked: AtomicUsize,
}

impl Counting {
    fn new(name: &'static str, outcomes: &[Outcome]) -> Arc<Self> {
        Arc::new(Self { name, outcomes: outcomes.to_vec(), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Model for Counting {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn reply(&self, _: &ModelRequest, _: &mpsc::Sender<String>) -> Result<ModelReply, ModelError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst).min(self.outcomes.len() - 1);
        (self.outcomes[number])()
    }
}

struct StoppedClock(Mutex<DateTime<Utc>>);

impl StoppedClock {
    fn step(&self, by: TimeDelta) {
        *self.0.lock().expect("a clock") += by;
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect("a clock")
    }
}

#[expect(clippy::unnecessary_wraps, reason = "an outcome like the others")]
fn replies() -> Result<ModelReply, ModelError> {
    Ok(ModelReply { text: "Blue.".into(), ..ModelReply::default() })
}

fn is_down() -> Result<ModelReply, ModelError> {
    Err(ModelError::Unavailable { message: "503".into(), retry_after: None })
}

fn is_busy() -> Result<ModelReply, ModelError> {
    Err(ModelError::Busy { message: "429".into(), retry_after: Duration::from_millis(1) })
}

fn is_down_for_a_moment() -> Result<ModelReply, ModelError> {
    Err(ModelError::Unavailable { message: "503".into(), retry_after: Some(Duration::from_millis(1)) })
}

fn is_away_for_an_hour() -> Result<ModelReply, ModelError> {
    Err(ModelError::Busy { message: "429".into(), retry_after: Duration::from_hours(1) })
}

fn refuses() -> Result<ModelReply, ModelError> {
    Err(ModelError::Refused { message: "too long".into() })
}

fn denies() -> Result<ModelReply, ModelError> {
    Err(ModelError::Denied { message: "wrong key".into() })
}

struct Bench {
    clock: Arc<StoppedClock>,
    first: Arc<Counting>,
    cheaper: Arc<Counting>,
    second: Arc<Counting>,
    models: Models,
}

/// A first provider, and where `second` does something, a fallback. Waits are a millisecond.
fn bench(first: &[Outcome], second: &[Outcome]) -> Bench {
    bench_with_cheaper(first, &[], second)
}

/// The same with a cheaper model of the first provider, where `cheaper` does something.
fn bench_with_cheaper(first: &[Outcome], cheaper: &[Outcome], second: &[Outcome]) -> Bench {
    let clock = Arc::new(StoppedClock(Mutex::new(DateTime::UNIX_EPOCH + TimeDelta::days(20_000))));
    let first = Counting::new("first", first);
    let cheaper = Counting::new("cheaper", cheaper);
    let second = Counting::new("second", second);
    let mut options = ModelsOptions::new(first.clone());
    options.cheaper = (!cheaper.outcomes.is_empty()).then(|| cheaper.clone() as Arc<dyn Model>);
    options.fallback = (!second.outcomes.is_empty()).then(|| second.clone() as Arc<dyn Model>);
    options.breaker = BreakerOptions { failures: 3, rest: TimeDelta::seconds(30) };
    options.patience.first_wait = Duration::from_millis(1);
    options.clock = clock.clone();
    Bench { clock, first, cheaper, second, models: Models::new(options) }
}

impl Bench {
    async fn ask(&self) -> Result<Replied, ModelError> {
        self.ask_within(Duration::from_hours(1)).await
    }

    async fn ask_within(&self, time_left: Duration) -> Result<Replied, ModelError> {
        self.ask_as(Allowance::Full, time_left).await
    }

    /// From 80% of a cap on.
    async fn ask_thriftily(&self) -> Result<Replied, ModelError> {
        self.ask_as(Allowance::Thrifty, Duration::from_hours(1)).await
    }

    async fn ask_as(&self, allowance: Allowance, time_left: Duration) -> Result<Replied, ModelError> {
        let request = ModelRequest { system: "", messages: vec![], tools: &[], max_tokens_out: 1 };
        let (deltas, _) = mpsc::channel(1);
        self.models.server(allowance).reply(&request, time_left, &deltas).await
    }

    fn asked(&self) -> (usize, usize) {
        (self.first.asked(), self.second.asked())
    }
}

#[tokio::test]
async fn a_passing_failure_is_asked_again_and_the_reply_bears_its_name() {
    let bench = bench(&[is_down, is_busy, replies], &[]);
    let replied = bench.ask().await.expect("a reply");
    assert_eq!((replied.model.as_str(), replied.provider), ("first", ModelProvider::Server));
    assert_eq!(bench.asked(), (3, 0));
}

#[tokio::test]
async fn the_fallback_answers_while_the_first_is_down_and_the_first_again_when_it_is_back() {
    let bench = bench(&[is_down, is_down, is_down, is_down, is_down, replies], &[replies]);
    let replied = bench.ask().await.expect("a reply");
    assert_eq!((replied.model.as_str(), replied.provider), ("second", ModelProvider::Fallback));
    assert_eq!(bench.asked(), (2, 1), "with a fallback, the first is asked twice");
    bench.ask().await.expect("a reply");
    bench.ask().await.expect("a reply");
    assert_eq!(bench.asked(), (5, 3), "the third reply that it fails opens the breaker");
    bench.ask().await.expect("a reply");
    assert_eq!(bench.asked(), (5, 4), "it is left alone");
    bench.clock.step(TimeDelta::seconds(30));
    assert_eq!(bench.ask().await.expect("a reply").provider, ModelProvider::Server);
    assert_eq!(bench.asked(), (6, 4));
}

/// What is wrong may be the conversation: each of its attempts ends in a 500, and everybody else's are answered.
///
/// With each attempt's failure counted, the breaker would be open after the first.
#[tokio::test]
async fn one_conversation_that_always_fails_does_not_open_the_breaker_for_all() {
    let bench = bench(&[is_down, is_down, is_down, is_down, replies], &[]);
    bench.ask().await.expect_err("a failure");
    assert_eq!(bench.ask().await.expect("a reply").model, "first");
    assert_eq!(bench.asked(), (5, 0));
}

/// With a `Retry-After` counted as an answer whatever it came with, it would be asked for ever.
#[tokio::test]
async fn a_server_that_is_down_is_left_alone_though_it_names_a_time_and_a_busy_one_is_not() {
    let down = bench(&[is_down_for_a_moment], &[]);
    for _ in 0..4 {
        down.ask().await.expect_err("a failure");
    }
    assert_eq!(down.asked(), (9, 0), "the third reply that it fails opens the breaker");
    let busy = bench(&[is_busy], &[]);
    for _ in 0..4 {
        busy.ask().await.expect_err("a failure");
    }
    assert_eq!(busy.asked(), (16, 0));
}

/// A model that fails so often, and then replies once it is let.
struct Slow {
    failures: usize,
    asked: AtomicUsize,
    may_reply: tokio::sync::Semaphore,
}

#[async_trait]
impl Model for Slow {
    fn name(&self) -> String {
        "slow".to_owned()
    }

    async fn reply(&self, _: &ModelRequest, _: &mpsc::Sender<String>) -> Result<ModelReply, ModelError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) < self.failures {
            return is_down();
        }
        let _permit = self.may_reply.acquire().await;
        replies()
    }
}

/// Were everybody sent away for a second by a half-open breaker, the others would fail after their attempts.
#[tokio::test]
async fn while_one_request_finds_out_the_others_wait_for_its_verdict() {
    let clock = Arc::new(StoppedClock(Mutex::new(DateTime::UNIX_EPOCH + TimeDelta::days(20_000))));
    let may_reply = tokio::sync::Semaphore::new(0);
    let slow = Arc::new(Slow { failures: 1, asked: AtomicUsize::new(0), may_reply });
    let mut options = ModelsOptions::new(slow.clone());
    options.breaker = BreakerOptions { failures: 1, rest: TimeDelta::seconds(30) };
    options.patience = Patience { attempts: 1, ..Patience::default() };
    options.clock = clock.clone();
    let models = Models::new(options);
    let ask = async || {
        let request = ModelRequest { system: "", messages: vec![], tools: &[], max_tokens_out: 1 };
        let (deltas, _) = mpsc::channel(1);
        models.server(Allowance::Full).reply(&request, Duration::from_hours(1), &deltas).await
    };
    ask().await.expect_err("a failure, which opens it");
    clock.step(TimeDelta::seconds(30));
    let (mut probe, mut other, mut third) = (Box::pin(ask()), Box::pin(ask()), Box::pin(ask()));
    assert!(futures::poll!(&mut probe).is_pending());
    assert!(futures::poll!(&mut other).is_pending());
    assert!(futures::poll!(&mut third).is_pending());
    assert_eq!(slow.asked.load(Ordering::SeqCst), 2, "one finds out");
    // Stopped without a verdict, it leaves the finding out to another.
    drop(probe);
    assert!(futures::poll!(&mut other).is_pending());
    assert!(futures::poll!(&mut third).is_pending());
    assert_eq!(slow.asked.load(Ordering::SeqCst), 3);
    slow.may_reply.add_permits(1);
    let (other, third) = tokio::join!(other, third);
    assert!(other.is_ok() && third.is_ok(), "{other:?}, {third:?}");
}

#[tokio::test]
async fn an_open_breaker_says_when_to_come_back() {
    let bench = bench(&[is_down], &[]);
    for _ in 0..3 {
        bench.ask().await.expect_err("a failure");
    }
    assert_eq!(bench.asked(), (9, 0), "it opened at the third reply's first failure");
    bench.clock.step(TimeDelta::seconds(10));
    let Err(ModelError::Unavailable { message, retry_after }) = bench.ask().await else {
        panic!("a failure")
    };
    assert_eq!(retry_after, Some(Duration::from_secs(20)));
    assert!(message.contains("left alone for 20 seconds"), "{message}");
}

#[tokio::test]
async fn what_is_refused_is_not_asked_elsewhere_and_what_is_denied_is() {
    let refused = bench(&[refuses], &[replies]);
    refused.ask().await.expect_err("a refusal");
    assert_eq!(refused.asked(), (1, 0));
    let denied = bench(&[denies], &[replies]);
    assert_eq!(denied.ask().await.expect("a reply").provider, ModelProvider::Fallback);
    assert_eq!(denied.asked(), (1, 1), "a wrong key is not tried twice");
}

#[tokio::test]
async fn a_long_wait_is_passed_on_and_nobody_asks_meanwhile() {
    let bench = bench(&[is_away_for_an_hour, replies], &[]);
    let Err(ModelError::Busy { retry_after, .. }) = bench.ask().await else { panic!("a failure") };
    assert_eq!(retry_after, Duration::from_hours(1));
    bench.clock.step(TimeDelta::minutes(59));
    bench.ask().await.expect_err("it is left alone");
    assert_eq!(bench.asked(), (1, 0), "nothing is sent before its time");
    bench.clock.step(TimeDelta::minutes(1));
    bench.ask().await.expect("a reply");
}

/// Seen to fail: without the look at `until`, it waits for a second, past the turn's end.
#[tokio::test]
async fn a_wait_that_the_turn_has_no_time_for_is_not_begun() {
    fn comes_back_in_a_minute() -> Result<ModelReply, ModelError> {
        Err(ModelError::Unavailable { message: "429".into(), retry_after: Some(Duration::from_mins(1)) })
    }
    let bench = bench(&[comes_back_in_a_minute], &[]);
    let error = bench.ask_within(Duration::from_secs(50)).await.expect_err("a failure");
    assert!(matches!(error, ModelError::Unavailable { retry_after: Some(wait), .. } if wait.as_secs() == 60));
    assert_eq!(bench.asked(), (1, 0));
}

#[tokio::test]
async fn where_both_fail_both_are_told_and_the_sooner_one_is_waited_for() {
    let bench = bench(&[is_away_for_an_hour], &[is_down]);
    let Err(ModelError::Unavailable { message, retry_after }) = bench.ask().await else {
        panic!("a failure")
    };
    assert_eq!((message.as_str(), retry_after), ("429; the fallback: 503", None));
    let denied = bench_of_denials().await;
    assert!(matches!(denied, ModelError::Denied { .. }), "{denied}");
}

async fn bench_of_denials() -> ModelError {
    bench(&[denies], &[denies]).ask().await.expect_err("a failure")
}

/// Seen to fail: with a breaker of its own for the cheaper model, the first one is asked.
#[tokio::test]
async fn a_cheaper_model_that_fails_opens_the_breaker_of_its_provider_and_so_does_the_first() {
    let bench =
        bench_with_cheaper(&[replies], &[is_down, is_down, is_down, is_down, is_down, replies], &[replies]);
    let replied = bench.ask_thriftily().await.expect("a reply");
    assert_eq!((replied.model.as_str(), replied.provider), ("second", ModelProvider::Fallback));
    for _ in 0..2 {
        bench.ask_thriftily().await.expect("a reply");
    }
    assert_eq!(
        (bench.cheaper.asked(), bench.second.asked()),
        (5, 3),
        "the third reply that it fails opens it"
    );
    assert_eq!(bench.ask().await.expect("a reply").provider, ModelProvider::Fallback);
    assert_eq!(bench.first.asked(), 0, "the same server is left alone");
    bench.clock.step(TimeDelta::seconds(30));
    assert_eq!(bench.ask_thriftily().await.expect("a reply").model, "cheaper");
    assert_eq!(bench.ask().await.expect("a reply").model, "first", "one found out for both");

    let other = bench_with_cheaper(&[is_down], &[replies], &[]);
    for _ in 0..3 {
        other.ask().await.expect_err("a failure");
    }
    other.ask_thriftily().await.expect_err("it is left alone");
    assert_eq!((other.first.asked(), other.cheaper.asked()), (9, 0));
}

/// Were a denial of the cheaper model its server's failure, nobody would be answered after the third; without the fuller model
/// behind the cheaper one, no thrifty turn would be.
#[tokio::test]
async fn what_is_denied_to_the_cheaper_model_says_nothing_of_the_first_which_stands_in() {
    let bench = bench_with_cheaper(&[replies], &[denies], &[]);
    for _ in 0..5 {
        assert_eq!(bench.ask_thriftily().await.expect("a reply").model, "first");
    }
    assert_eq!(
        (bench.cheaper.asked(), bench.first.asked()),
        (3, 5),
        "after its third denial it is left alone"
    );
    bench.clock.step(TimeDelta::seconds(30));
    bench.ask_thriftily().await.expect("a reply");
    assert_eq!(bench.cheaper.asked(), 4, "one finds out whether it is there by now");
}

/// Did the cheaper model's quota open the breaker of its server, the first one would be left alone for an hour.
#[tokio::test]
async fn a_quota_of_the_cheaper_model_is_kept_and_the_first_stands_in() {
    let bench = bench_with_cheaper(&[replies], &[is_away_for_an_hour, replies], &[]);
    for _ in 0..3 {
        assert_eq!(bench.ask_thriftily().await.expect("a reply").model, "first");
    }
    assert_eq!(bench.ask().await.expect("a reply").model, "first");
    assert_eq!(bench.cheaper.asked(), 1, "nothing is sent before its time");
    bench.clock.step(TimeDelta::hours(1));
    for _ in 0..2 {
        assert_eq!(bench.ask_thriftily().await.expect("a reply").model, "cheaper");
    }
}

#[test]
fn waits_are_told_as_people_say_them() {
    let told = |seconds| in_words(Duration::from_secs(seconds));
    assert_eq!([told(0), told(45), told(119)], ["1 second", "45 seconds", "119 seconds"]);
    assert_eq!([told(121), told(3_600), told(7_201)], ["3 minutes", "60 minutes", "3 hours"]);
}
