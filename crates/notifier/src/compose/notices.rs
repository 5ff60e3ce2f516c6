//! What word about a task or a workspace says: what happened, and what came of a week's checks.

use chrono::TimeDelta;
use domain::{condition::Condition, delivery::Audience, notice::NoticeKind, run::RunReason};
use store::Run;

use super::{Composed, Composer, Error, Reader, because, zone};
use crate::{
    no_news::{CHECKS_MAX, NoNews},
    notice::{self, Details, Event, KeptNotice, Notice},
};

impl Composer<'_> {
    pub(super) async fn notice(&self, event: Event, details: Details<'_>) -> Result<Composed, Error> {
        let gone = Error::Gone("the task was deleted");
        let task_id = self.delivery.task_id.ok_or(Error::Gone("the notice is about no task"))?;
        let task = self.store.task_get(&self.delivery.scope, task_id).await?.ok_or(gone)?;
        let page = match event {
            Event::Expiring | Event::Expired => "/edit",
            Event::Failed(_) | Event::Recovered | Event::StillRunning(_) | Event::StaleData(_) => "",
        };
        let notice = Notice {
            event,
            details,
            task_title: &task.title,
            expires_at: task.expires_at,
            task_url: format!("{}/tasks/{task_id}{page}", self.public_url),
            at: self.happened_at().await?,
            zone: zone(&task.schedule.timezone),
        };
        Ok(Composed {
            message: notice.message(),
            decision: None,
            attachment: None,
            conversation: format!("task-{task_id}"),
        })
    }

    /// A notice that is kept for the page, in the same words.
    pub(super) async fn kept_notice(&self, reader: Reader<'_>) -> Result<Composed, Error> {
        let Reader::Person(user) = reader else { return Err(Error::Gone("a notice goes to one person")) };
        let found =
            self.store.notice_of_delivery(&self.delivery.scope, self.delivery.lease.delivery_id).await?;
        let kept = found.ok_or(Error::Gone("the notice is gone"))?;
        let is_of_cap = matches!(kept.kind, NoticeKind::CapNear | NoticeKind::CapReached);
        let (label, page) = match kept.task_id {
            Some(task_id) => ("Open the task", format!("tasks/{task_id}")),
            None if is_of_cap => ("Open the caps", "admin/caps".to_owned()),
            None => ("Open the webhooks", "admin/webhooks".to_owned()),
        };
        let message = KeptNotice {
            headline: &kept.headline,
            advice: &kept.advice,
            details: kept.details.as_deref(),
            action: (label, format!("{}/{page}", self.public_url)),
            because: match kept.task_id {
                Some(_) => "You get this because the task is yours.",
                None if is_of_cap => "You get this because the cap is yours, or you are an admin.",
                None => "You get this because you are an admin.",
            },
            at: kept.created_at,
            zone: zone(&user.timezone),
        };
        Ok(Composed {
            message: message.message(),
            decision: None,
            attachment: None,
            conversation: kept
                .task_id
                .map_or_else(|| format!("notice-{}", kept.id), |id| format!("task-{id}")),
        })
    }

    /// Word to an admin, about no task.
    pub(super) async fn slack_ended(&self) -> Result<Composed, Error> {
        let details = self.delivery.details.as_deref().unwrap_or_default();
        Ok(Composed {
            message: notice::slack_ended(details, self.public_url, self.happened_at().await?),
            decision: None,
            attachment: None,
            conversation: "slack".to_owned(),
        })
    }

    /// Word of an occurrence that was skipped for stale data: its run knows the day and what was found.
    pub(super) async fn stale_notice(&self, reader: Reader<'_>) -> Result<Composed, Error> {
        let run = self.run().await?;
        let day = run.as_ref().and_then(|run| run.occurrence).map(|window| window.date);
        self.notice_of_run(reader, Event::StaleData(day), run).await
    }

    pub(super) async fn failure_notice(&self, reader: Reader<'_>) -> Result<Composed, Error> {
        let run = self.run().await?;
        let reason = run.as_ref().and_then(|run| run.reason).unwrap_or(RunReason::Internal);
        self.notice_of_run(reader, Event::Failed(reason), run).await
    }

    async fn run(&self) -> Result<Option<Run>, store::Error> {
        match self.delivery.run_id {
            Some(run_id) => self.store.run_get(&self.delivery.scope, run_id).await,
            None => Ok(None),
        }
    }

    /// Word of how a run ended. What a database said of it, or how old its data was, is data itself: held to the same rules, it is
    /// left out where its reader may not see it, and the word goes all the same.
    async fn notice_of_run(
        &self,
        reader: Reader<'_>,
        event: Event,
        run: Option<Run>,
    ) -> Result<Composed, Error> {
        let Some(run) = run else { return self.notice(event, Details::None).await };
        let words = run.message.filter(|words| !notice::is_said_anyway(event, words));
        let Some(words) = words else { return self.notice(event, Details::None).await };
        let used = self.store.run_message_connections(&self.delivery.scope, run.id).await?;
        let decision = self.audience_over(reader, run.creator_id, &used).await?;
        let details = match decision.audience {
            Audience::Full => Details::Told(&words),
            Audience::LinkOnly | Audience::Withheld => Details::LeftOut,
        };
        let composed = self.notice(event, details).await?;
        Ok(Composed { decision: Some(decision), ..composed })
    }

    /// A week without news, as it was when that was found. Its numbers are for those who would see the answers of all the runs that
    /// they are of: one of a task that names no connection may have used another one than the last.
    pub(super) async fn no_news(&self, reader: Reader<'_>) -> Result<Composed, Error> {
        let scope = &self.delivery.scope;
        let task_id = self.delivery.task_id.ok_or(Error::Gone("the word is about no task"))?;
        let task = self.store.task_get(scope, task_id).await?.ok_or(Error::Gone("the task was deleted"))?;
        let thread_id = self.delivery.thread_id.ok_or(Error::Gone("the run has no thread"))?;
        let thread =
            self.store.thread_get(scope, thread_id).await?.ok_or(Error::Gone("the thread is gone"))?;
        let at = self.happened_at().await?;
        // Of the week. A late answer at its very beginning was sent, and is none of these.
        let checks = self.store.check_list(scope, task_id, at - TimeDelta::days(7), at, CHECKS_MAX).await?;
        let told_of: Vec<_> = checks.iter().map(|past| past.thread_id).chain([thread_id]).collect();
        let used = self.store.threads_connections_used(scope, &told_of).await?;
        let decision = self.audience_over(reader, thread.creator_id, &used).await?;
        let is_full = decision.audience == Audience::Full;
        let checks = checks.into_iter().map(|past| (past.checked_at, past.check.sentence)).collect();
        let is_creator = reader.is(task.creator_id);
        let word = NoNews {
            task_title: &task.title,
            // Of a task that was edited since, the condition may be another one than these checks are of.
            condition: task
                .condition
                .as_ref()
                .filter(|_| is_full && task.updated_at <= at)
                .map(Condition::in_words),
            checks: is_full.then_some(checks),
            at,
            zone: zone(&task.schedule.timezone),
            // A task is its creator's alone.
            task_url: is_creator.then(|| format!("{}/tasks/{task_id}", self.public_url)),
            unsubscribe_url: Some(self.unsubscribe_url()),
            because: because(&thread, reader),
        };
        Ok(Composed {
            message: word.message(),
            decision: Some(decision),
            attachment: None,
            conversation: format!("task-{task_id}"),
        })
    }
}
