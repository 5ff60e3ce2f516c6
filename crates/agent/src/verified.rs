//! Questions whose SQL was found right: which of them a question is like, and which an answer rests on.
//!
//! Both are found by code. That an answer rests on a verified query is said because its SQL ran word for word, not because a
//! model says so.

use std::sync::Arc;

use domain::{
    ConnectionId,
    answer::{Answer, VerifiedUse},
    question::{self, Likeness},
};
use serde::{Deserialize, Serialize};
use store::VerifiedQuestion;
use tokio::sync::OnceCell;

use crate::{
    builtin::period::{Moment, Unmoved, moved},
    failure::Failure,
    figures,
    model::TurnContext,
    tools::Desk,
};

/// The most that a search tells of.
const TOLD_MAX: usize = 5;

/// The verified questions that a turn may use, read once.
pub(crate) struct Verified(OnceCell<Arc<[VerifiedQuestion]>>);

impl Verified {
    /// Where there are none at all, nothing is read.
    pub(crate) fn new(has_some: bool) -> Self {
        Self(if has_some { OnceCell::new() } else { OnceCell::new_with(Some(Arc::from([]))) })
    }

    async fn of(&self, desk: &Desk<'_>) -> Result<Arc<[VerifiedQuestion]>, Failure> {
        let read = self.0.get_or_try_init(|| async {
            let offered: Vec<ConnectionId> =
                desk.context.connections.iter().map(|connection| connection.id).collect();
            desk.journal.verified_questions(&offered).await.map(Arc::from)
        });
        Ok(Arc::clone(read.await?))
    }
}

/// A verified question as a search tells of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FoundQuestion {
    pub(crate) connection_id: ConnectionId,
    pub(crate) question: String,
    /// Its SQL, with its period moved to the day of this turn.
    pub(crate) sql: String,
    pub(crate) verified_by: String,
    /// How much alike it is to the question of this turn.
    pub(crate) likeness: Likeness,
    /// Why its period could not be moved: the SQL is as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unmoved: Option<String>,
}

/// The verified questions that the turn's question, or these words, are like; the most alike first.
pub(crate) async fn find(desk: &Desk<'_>, words: &str) -> Result<Vec<FoundQuestion>, Failure> {
    let mut keys = vec![question::key(words)];
    // A further question of a thread may only go on from the one before: "And by country?" asks something else each time.
    if desk.turn_no == 1 {
        keys.push(question::key(desk.prompt));
    }
    let mut found: Vec<FoundQuestion> = Vec::new();
    for verified in desk.verified.of(desk).await?.iter() {
        let likenesses = keys.iter().map(|key| question::likeness(key, &verified.question_key));
        let Some(likeness) = likenesses.flatten().min_by_key(|likeness| *likeness != Likeness::Same) else {
            continue;
        };
        let (sql, unmoved) = match sql_now(verified, desk.context) {
            Ok(sql) => (sql, None),
            Err(unmoved) => (verified.sql.clone(), Some(unmoved.to_string())),
        };
        found.push(FoundQuestion {
            connection_id: verified.connection_id,
            question: verified.question.clone(),
            sql,
            verified_by: verified.verified_by.clone(),
            likeness,
            unmoved,
        });
    }
    // Stable: of the equally alike the latest comes first.
    found.sort_by_key(|found| found.likeness != Likeness::Same);
    found.truncate(TOLD_MAX);
    Ok(found)
}

/// Notes in an answer that a result which it shows is that of a verified query.
pub(crate) async fn note(desk: &Desk<'_>, answer: &mut Answer) -> Result<(), Failure> {
    let shown: Vec<_> = answer.results.iter().filter_map(|shown| desk.known_result(&shown.handle)).collect();
    if shown.is_empty() {
        return Ok(());
    }
    let verified = desk.verified.of(desk).await?;
    let used = shown.iter().find_map(|result| {
        verified.iter().find(|verified| {
            verified.connection_id == result.connection_id
                && sql_now(verified, desk.context).is_ok_and(|sql| sql.trim() == result.sql.trim())
        })
    });
    let Some(used) = used else { return Ok(()) };
    let question = figures::none_in(&used.question);
    let sentence =
        figures::none_in(&format!("Uses the verified query of {} for “{question}”.", used.verified_by));
    answer.caveats.push(sentence.clone());
    answer.verified = Some(VerifiedUse { id: used.id, question, by: used.verified_by.clone(), sentence });
    Ok(())
}

fn sql_now(verified: &VerifiedQuestion, context: &TurnContext) -> Result<String, Unmoved> {
    let then = Moment::new(verified.as_of, &verified.timezone);
    moved(&verified.question, &verified.sql, then, Moment::new(context.now, &context.timezone))
}
