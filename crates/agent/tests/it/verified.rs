//! Questions whose SQL was found right: run before anything is planned, and told by code.

use std::sync::Arc;

use agent::{Analyst, scripted::Scripted};
use chrono::TimeDelta;
use domain::access::{ConnectionAccess, Role};
use serde_json::{Value, json};
use store::{Grant, Subject};

use crate::support::{Bench, one_by_one};

const QUESTION: &str = "How many late flights were there?";
/// No rule of the analyst comes to it.
const SQL: &str = "SELECT count(*) AS \"late flights\" FROM flights WHERE dep_delay > 5";

/// Asks `question` with a model that runs `sql`, and has that verified.
async fn verify(bench: &Bench, question: &str, sql: &str) {
    let answer = ("answer", json!({ "headline": "Done.", "results": ["r1"] }));
    let started = bench.ask(question).await;
    let model = Scripted::new(one_by_one(vec![bench.sql(sql), answer]));
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let results = store.result_list(scope, started.thread_id).await.expect("results");
    store.verified_question_put(scope, bench.world.user, results[0].id, question).await.expect("verified");
}

fn statements(outputs: &[(String, Value)]) -> usize {
    outputs.iter().filter(|(tool, _)| tool == "run_sql").count()
}

#[tokio::test]
async fn the_analyst_looks_there_first_and_says_so() {
    let bench = Bench::new().await;
    verify(&bench, QUESTION, SQL).await;
    let started = bench.ask("how many late FLIGHTS were there").await;
    bench.agent(Arc::new(Analyst)).run_once().await.expect("a run");
    let answer = bench.answer(&started).await;
    assert_eq!(answer.fill(&answer.headline), "Late flights 14.");
    let used = answer.verified.expect("a verified question");
    assert_eq!((used.question.as_str(), used.by.as_str()), (QUESTION, "admin"));
    assert_eq!(answer.caveats, [format!("Uses the verified query of admin for “{QUESTION}”.")]);
    let outputs = bench.outputs(&started).await;
    assert_eq!(statements(&outputs), 1);
    assert!(outputs.iter().all(|(tool, _)| tool != "describe_table"), "nothing was planned: {outputs:?}");

    // Taken back, it is planned as any other question.
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    store.verified_question_delete(scope, used.id).await.expect("taken back");
    let started = bench.ask(QUESTION).await;
    bench.agent(Arc::new(Analyst)).run_once().await.expect("a run");
    assert_eq!(bench.answer(&started).await.verified, None);
}

#[tokio::test]
async fn code_and_not_the_model_says_what_an_answer_rests_on() {
    let bench = Bench::new().await;
    verify(&bench, QUESTION, SQL).await;
    let claim = json!({ "headline": "By the verified query of admin.", "results": ["r1"] });
    for (sql, is_used) in [(SQL, true), ("SELECT count(*) AS flights FROM flights", false)] {
        let started = bench.ask("What of late ones?").await;
        let model = Scripted::new(one_by_one(vec![bench.sql(sql), ("answer", claim.clone())]));
        bench.agent(Arc::new(model)).run_once().await.expect("a run");
        assert_eq!(bench.answer(&started).await.verified.is_some(), is_used, "{sql}");
    }
}

#[tokio::test]
async fn the_period_of_a_verified_query_moves_with_the_day() {
    let bench = Bench::new().await;
    let question = "How many flights were there yesterday?";
    // The world begins on 2026-03-02.
    let sql = |first: &str, end: &str| {
        format!(
            "SELECT DATE '{end}' - DATE '{first}' AS days, DATE '{first}' AS since, count(*) AS flights FROM flights"
        )
    };
    verify(&bench, question, &sql("2026-03-01", "2026-03-02")).await;
    bench.world.step(TimeDelta::days(3));
    let started = bench.ask(question).await;
    bench.agent(Arc::new(Analyst)).run_once().await.expect("a run");
    assert!(bench.answer(&started).await.verified.is_some());
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let results = store.result_list(scope, started.thread_id).await.expect("results");
    assert_eq!(results[0].sql, sql("2026-03-04", "2026-03-05"));

    // Where it cannot be moved it is not used, which is said.
    let question = "How many flights left the day before yesterday?";
    verify(
        &bench,
        question,
        "SELECT count(*) AS flights FROM flights WHERE DATE '2026-01-01' < DATE '2026-01-02'",
    )
    .await;
    bench.world.step(TimeDelta::days(1));
    let started = bench.ask(question).await;
    bench.agent(Arc::new(Analyst)).run_once().await.expect("a run");
    assert_eq!(bench.answer(&started).await.verified, None);
    let outputs = bench.outputs(&started).await;
    let (_, search) = outputs.iter().find(|(tool, _)| tool == "search_catalog").expect("a search");
    let told = search["verifiedQuestions"].as_array().expect("a list");
    let told = told.iter().find(|one| one["question"] == question).expect("the question");
    assert!(told["unmoved"].as_str().is_some_and(|why| why.contains("2026-01-01")), "{told}");
}

/// With the join on `connection_access` taken out of the store's query, the member is told of it.
#[tokio::test]
async fn nobody_is_told_of_what_they_may_not_query() {
    let bench = Bench::new().await;
    verify(&bench, QUESTION, SQL).await;
    let member = bench.world.member("mia", Role::Member).await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let own = testkit::world::connection(store, scope, bench.world.user, "Own").await;
    let grant = |subject, access| Grant { subject, label: String::new(), access };
    let manage = grant(Subject::User(bench.world.user), ConnectionAccess::Manage);
    let query = grant(Subject::User(member), ConnectionAccess::Query);
    let view = grant(Subject::User(member), ConnectionAccess::ViewResults);
    store.grant_put(scope, own, &[manage.clone(), query]).await.expect("grants");
    store.grant_put(scope, bench.world.connection, &[manage, view]).await.expect("grants");
    let seen = store.verified_question_list(scope, member, None).await.expect("a list");
    assert_eq!(seen, []);
    let both = [own, bench.world.connection];
    let seen = store.verified_question_list(scope, member, Some(&both)).await.expect("a list");
    assert_eq!(seen, []);
}

/// The index of the key itself takes 2,704 bytes at most: with the key in the unique constraint, this fails.
#[tokio::test]
async fn the_longest_question_in_any_script_is_verified() {
    let bench = Bench::new().await;
    let mut seed = 1_u32;
    let mut letter = || {
        // Text that repeats itself is stored compressed.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0x4e00 + (seed >> 16) % 20_000).expect("a letter")
    };
    let question: String = (0..domain::question::QUESTION_MAX).map(|_| letter()).collect();
    verify(&bench, QUESTION, SQL).await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let list = async || store.verified_question_list(scope, bench.world.user, None).await.expect("a list");
    let thread = list().await[0].thread_id;
    let result = store.result_list(scope, thread).await.expect("results")[0].id;
    for _ in 0..2 {
        store.verified_question_put(scope, bench.world.user, result, &question).await.expect("verified");
    }
    assert_eq!(list().await.len(), 2, "verified again, it is replaced");
}

/// A question with a date of the model's own and no period: with dates looked for only where there is a period, it runs unmoved.
#[tokio::test]
async fn a_date_that_no_phrase_explains_is_not_run_on_another_day() {
    let bench = Bench::new().await;
    verify(&bench, QUESTION, &format!("{SQL} AND DATE '2026-02-01' < DATE '2026-03-02'")).await;
    bench.world.step(TimeDelta::days(1));
    let started = bench.ask(QUESTION).await;
    bench.agent(Arc::new(Analyst)).run_once().await.expect("a run");
    assert_eq!(bench.answer(&started).await.verified, None);
}

/// Without the lock on the connection's row, both of two at a time see room for one more.
#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_do_not_pass_the_most_of_a_connection() {
    let bench = Bench::new().await;
    verify(&bench, QUESTION, SQL).await;
    bench
        .world
        .execute(
            "INSERT INTO verified_question
             SELECT workspace_id, gen_random_uuid(), connection_id, n::text, n::text, sha256(n::text::bytea), sql, as_of, timezone,
                 thread_id, turn_no, verified_by, verified_at
             FROM verified_question CROSS JOIN generate_series(1, 498) AS n",
        )
        .await;
    let (store, scope, user) = (bench.world.store(), &bench.world.scope, bench.world.user);
    let listed = store.verified_question_list(scope, user, None).await.expect("a list");
    let result = store.result_list(scope, listed[0].thread_id).await.expect("results")[0].id;
    let puts = (0..4).map(|n| {
        let (store, scope) = (store.clone(), *scope);
        tokio::spawn(async move {
            store.verified_question_put(&scope, user, result, &format!("Another one {n}")).await
        })
    });
    let puts: Vec<_> = puts.collect();
    let mut verified = 0;
    for put in puts {
        verified += usize::from(put.await.expect("no panic").is_ok());
    }
    assert_eq!(verified, 1);
}
