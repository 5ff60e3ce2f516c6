import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { Pause, Pencil, Play, Zap } from "lucide-react";
import type { ReactNode } from "react";

import { ApiError } from "@/api/error";
import { connectionsQuery } from "@/api/queries/connections";
import { groupsQuery, peopleQuery } from "@/api/queries/people";
import { taskMethodQuery, taskQuery } from "@/api/queries/tasks";
import type { FreshnessGate, Task } from "@/api/types";
import { NotReached } from "@/components/not-reached";
import { PromptText } from "@/components/prompt-text";
import { useReaderZone } from "@/components/reader";
import { NotFound } from "@/components/route-states";
import { Time } from "@/components/time";
import { Button, buttonClass } from "@/components/ui/button";
import { Facts } from "@/components/ui/facts";
import { LoadError, Notice } from "@/components/ui/notice";
import { Page, Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { daysInWords, joinWords, windowEnd } from "@/lib/schedule";
import { addMonths, endOfDay } from "@/lib/time";
import { useNow } from "@/lib/use-now";

import { LastRun, StatusMark } from "./run-words";
import { TaskMenu } from "./TaskMenu";
import { TaskThreads } from "./TaskThreads";
import { Timeline } from "./Timeline";
import { useTaskActions } from "./use-task-actions";

const route = getRouteApi("/app/tasks/$taskId");

/** A task: what it asks, when, who is told, and everything that became of it. */
export function TaskPage() {
  const { taskId } = route.useParams();
  const {
    data: task,
    error,
    refetch,
  } = useQuery({
    ...taskQuery(taskId),
    // Its last and next run change by themselves.
    refetchInterval: 10_000,
  });
  if (task) return <OneTask task={task} />;
  if (error instanceof ApiError && error.status === 404) return <NotFound what="This task" />;
  if (error) {
    return (
      <Page title="Task" width="read">
        <LoadError error={error} what="The task" onRetry={() => void refetch()} />
      </Page>
    );
  }
  return (
    <Page title="Task" heading={<Skeleton className="h-7 w-72" />}>
      <Skeleton className="h-40 w-full max-w-[60rem]" />
    </Page>
  );
}

function OneTask({ task }: { task: Task }) {
  const navigate = useNavigate();
  const actions = useTaskActions(task);
  const isCancelled = task.status === "cancelled";
  return (
    <Page
      title={task.title}
      lead={
        <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <StatusMark status={task.status} />
          <span>{task.scheduleInWords.replaceAll("_", " ")}</span>
        </p>
      }
      actions={
        <>
          {task.status === "paused" ? (
            <Button onClick={() => void actions.resume()}>
              <Play aria-hidden />
              Resume
            </Button>
          ) : null}
          {task.status === "active" ? (
            <Button onClick={() => void actions.pause()}>
              <Pause aria-hidden />
              Pause
            </Button>
          ) : null}
          <Link to="/tasks/$taskId/edit" params={{ taskId: task.id }} className={buttonClass("secondary")}>
            <Pencil aria-hidden />
            Edit
          </Link>
          <Button
            look="primary"
            onClick={() => void actions.run(false)}
            disabledReason={isCancelled ? "This task was cancelled. Duplicate it to go on." : undefined}
          >
            <Zap aria-hidden />
            Run now
          </Button>
          <TaskMenu task={task} onRemoved={() => void navigate({ to: "/tasks" })} />
        </>
      }
    >
      <div className="grid gap-x-14 gap-y-8 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <div className="min-w-0 space-y-8">
          <TaskNotices task={task} onExtend={actions.extend} />
          <NotReached taskId={task.id} />
          <Section title="Question">
            <p className="max-w-[68ch] py-3 text-read">
              <PromptText prompt={task.prompt} missingIds={task.missingContext.map(({ id }) => id)} />
            </p>
          </Section>
          <Timeline task={task} />
        </div>
        <div className="min-w-0 space-y-8">
          <Section title="Settings">
            <TaskFacts task={task} />
          </Section>
          <TaskThreads task={task} />
        </div>
      </div>
    </Page>
  );
}

function TaskNotices({ task, onExtend }: { task: Task; onExtend: (expiresAt: string) => Promise<void> }) {
  const now = useNow();
  const zone = useReaderZone();
  const notices: ReactNode[] = [];
  if (task.missingContext.length > 0) {
    notices.push(
      <Notice
        key="missing"
        tone="bad"
        action={
          <Link to="/tasks/$taskId/edit" params={{ taskId: task.id }} className={buttonClass("secondary")}>
            Edit the question
          </Link>
        }
      >
        The question refers to data that was deleted: {joinWords(task.missingContext.map(({ label }) => label))}. Runs
        will fail until you mention something else.
      </Notice>,
    );
  }
  const daysLeft = task.expiresAt ? (Date.parse(task.expiresAt) - now.getTime()) / 86_400_000 : Infinity;
  if (task.expiresAt && task.status !== "cancelled" && daysLeft < 7) {
    const extended = endOfDay(addMonths(now, 6, zone), zone);
    notices.push(
      <Notice
        key="expiry"
        tone="warn"
        action={<Button onClick={() => void onExtend(extended)}>Extend by 6 months</Button>}
      >
        {daysLeft <= 0 ? "This task expired " : "This task expires "}
        <Time at={task.expiresAt} look="relative" />.
      </Notice>,
    );
  }
  if (task.status === "cancelled") {
    notices.push(
      <Notice key="cancelled" tone="warn">
        This task was cancelled{task.statusReason ? ` (${task.statusReason.replaceAll("_", " ")})` : ""} and will not
        run again. Duplicate it to go on.
      </Notice>,
    );
  }
  return notices.length > 0 ? <div className="space-y-2">{notices}</div> : null;
}

const STALE_WORDS: Record<FreshnessGate["policy"], string> = {
  send_stale: "Waited for; if it does not come, sent with a line that says so",
  skip: "Waited for; if it does not come, skipped that day",
};

function TaskFacts({ task }: { task: Task }) {
  const { schedule } = task;
  return (
    <Facts
      facts={[
        ["Schedule", daysInWords(schedule)],
        [
          "Window",
          <span key="window" className="tabular">
            {schedule.windowStart} to {windowEnd(schedule.windowStart)}
          </span>,
        ],
        ["Time zone", schedule.timezone.replaceAll("_", " ")],
        ["Last run", <LastRun key="last" task={task} />],
        ["Next run", task.nextRunAt ? <Time key="next" at={task.nextRunAt} zone={schedule.timezone} /> : "None"],
        ["Sent", task.conditionInWords ? `Only when ${task.conditionInWords}` : "Always"],
        ["Fresh data", task.freshness ? STALE_WORDS[task.freshness.policy] : "Not waited for"],
        ["Told", <Recipients key="told" task={task} />],
        ["Method", <Method key="method" task={task} />],
        ["Attachment", task.notification.attachCsv ? "First table as CSV" : "None"],
        ["Data", <DataNames key="data" task={task} />],
        ["Expires", task.expiresAt ? <Time key="expires" at={task.expiresAt} zone={schedule.timezone} /> : "Never"],
        ["Created", <Time key="created" at={task.createdAt} />],
      ]}
    />
  );
}

/** Which query its answers are held against. */
function Method({ task }: { task: Task }) {
  const { data } = useQuery(taskMethodQuery(task.id));
  if (!data) return <Skeleton className="h-5 w-32" />;
  if (!data.pinned) return "Chosen by the agent each time";
  return (
    <Link to="/threads/$threadId" params={{ threadId: data.pinned.threadId }} className="link">
      Pinned <Time at={data.pinned.pinnedAt} look="inline" />
    </Link>
  );
}

function Recipients({ task: { notification } }: { task: Task }) {
  const { data: people } = useQuery(peopleQuery);
  const { data: groups } = useQuery(groupsQuery);
  const hasPeople = notification.userIds.length > 0;
  const hasGroups = notification.groupIds.length > 0;
  if ((hasPeople && !people) || (hasGroups && !groups)) return <Skeleton className="h-5 w-32" />;
  const names = [
    ...notification.slackChannels.map(({ name }) => name),
    ...notification.groupIds.map((id) => groups?.values.find((group) => group.id === id)?.name ?? "A group"),
    ...notification.userIds.map((id) => people?.values.find((person) => person.id === id)?.name ?? "A member"),
  ];
  return names.length > 0 ? joinWords(names) : "Nobody";
}

function DataNames({ task }: { task: Task }) {
  const { data: connections } = useQuery(connectionsQuery);
  const ids = task.context.connectionIds;
  if (ids.length === 0) return "All that you may query";
  return (
    <ul>
      {ids.map((id) => {
        const connection = connections?.values.find((one) => one.id === id);
        const missing = task.missingContext.find((one) => one.id === id);
        return (
          <li key={id}>
            {connection ? (
              <Link to="/data/$connectionId" params={{ connectionId: id }} className="link">
                {connection.name}
              </Link>
            ) : (
              <span className={missing ? "text-bad line-through" : ""}>{missing?.label ?? "A connection"}</span>
            )}
          </li>
        );
      })}
    </ul>
  );
}
