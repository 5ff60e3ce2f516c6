//! The built-in analyst: a rule-based planner from questions to queries, in the place of a language model.
//!
//! It needs no key and no network and is a pure function of the conversation: each reply is worked out anew from the
//! question and from what the tools have answered, so that a turn which was interrupted goes on where it stopped. A
//! question is cut into words ([`words`], [`lexicon`]), cues ([`cues`]) and time phrases ([`calendar`]); words are matched
//! to tables, columns and values ([`catalog`], [`mention`], [`probe`], [`links`]). From each table the question is then read
//! ([`reader`] and its parts: [`filters`], [`times`], [`groups`], [`measures`], [`superlatives`], [`compare`], [`listing`]),
//! and the best reading ([`understand`]) is a typed [`plan`], or, where words fit several columns alike, a question back
//! ([`clarify`]). It is written as SQL ([`sql`]), and its rows become an answer ([`reply`], [`change`], [`since`], [`phrase`],
//! [`refusal`]) and a chart ([`chart`]). [`turn`] takes these steps one by one. A wish to have a question asked again and again
//! ([`draft_phrase`]) becomes a task's draft ([`draft`]). A question that somebody verified the SQL of is not planned at all
//! ([`verified`]); [`period`] moves such SQL to the day on which it is asked again.

mod calendar;
mod catalog;
mod change;
mod chart;
mod clarify;
mod compare;
mod conversation;
mod cues;
mod draft;
mod draft_phrase;
mod filters;
mod groups;
mod lexicon;
mod links;
mod listing;
mod measures;
mod mention;
pub(crate) mod period;
mod phrase;
mod plan;
mod probe;
mod reader;
mod refusal;
mod reply;
mod since;
mod sql;
mod superlatives;
#[cfg(test)]
mod tests;
mod times;
mod turn;
mod understand;
mod verified;
mod view;
mod words;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::model::{Model, ModelError, ModelReply, ModelRequest};

/// The analyst that ships in the binary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Analyst;

#[async_trait]
impl Model for Analyst {
    fn name(&self) -> String {
        "builtin".to_owned()
    }

    async fn reply(
        &self,
        request: &ModelRequest,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ModelReply, ModelError> {
        let reply = turn::reply(&request.messages, request.tools);
        if !reply.text.is_empty() {
            // Nobody listening is no reason to stop.
            let _ = deltas.send(reply.text.clone()).await;
        }
        Ok(reply)
    }
}
