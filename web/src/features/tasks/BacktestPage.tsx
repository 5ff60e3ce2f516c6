import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";

import { ApiError } from "@/api/error";
import { backtestQuery, backtestsQuery, startBacktest } from "@/api/queries/backtests";
import { cancelRun, taskQuery } from "@/api/queries/tasks";
import type { BacktestReport, Task } from "@/api/types";
import { NotFound } from "@/components/route-states";
import { Time } from "@/components/time";
import { Button, buttonClass } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { LoadError } from "@/components/ui/notice";
import { Page, Section } from "@/components/ui/page";
import { Skeleton, SkeletonRows } from "@/components/ui/skeleton";
import { sayError } from "@/components/ui/toast";
import { amount, counted } from "@/lib/number";

import { TestedOccurrence } from "./TestedOccurrence";

const route = getRouteApi("/app/tasks/$taskId/backtest");

const COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/** What a task would have sent on its last occurrences, and what that costs. */
export function BacktestPage() {
  const { taskId } = route.useParams();
  const { data: task, error, refetch } = useQuery(taskQuery(taskId));
  if (error instanceof ApiError && error.status === 404) return <NotFound what="This task" />;
  return (
    <Page
      title={task ? `Backtest of ${task.title}` : "Backtest"}
      heading="Backtest"
      width="read"
      lead={
        <>
          <p>
            Runs the task as of its last occurrences, to see which messages it would have sent and what they cost.
            Nothing is sent. Credits are used as by any run.
          </p>
          <p className="mt-1">
            The questions are asked as of then; the data is that of today, with all that was added or mended since.
          </p>
        </>
      }
      actions={
        <Link to="/tasks/$taskId" params={{ taskId }} className={buttonClass("secondary")}>
          Back to the task
        </Link>
      }
    >
      {error && !task ? <LoadError error={error} what="The task" onRetry={() => void refetch()} /> : null}
      {task ? <Backtests task={task} /> : error ? null : <Skeleton className="h-40 w-full" />}
    </Page>
  );
}

function Backtests({ task }: { task: Task }) {
  const { data, error, refetch } = useQuery(backtestsQuery(task.id));
  if (error && !data) return <LoadError error={error} what="The backtests" onRetry={() => void refetch()} />;
  if (!data) return <SkeletonRows rows={3} label="Loading backtests" />;
  const latest = data.values[0];
  return (
    <>
      <StartForm task={task} isUnderWay={latest?.finishedAt === null} />
      {latest ? <Report key={latest.id} task={task} id={latest.id} /> : null}
    </>
  );
}

function StartForm({ task, isUnderWay }: { task: Task; isUnderWay: boolean }) {
  const queryClient = useQueryClient();
  const [count, setCount] = useState(3);
  const [isStarting, setStarting] = useState(false);
  const isCancelled = task.status === "cancelled";
  const start = async () => {
    setStarting(true);
    try {
      await startBacktest(task.id, count);
    } catch (error) {
      sayError("The backtest was not started", error);
    } finally {
      await queryClient.invalidateQueries({ queryKey: backtestsQuery(task.id).queryKey });
      setStarting(false);
    }
  };
  const whyNot = isCancelled
    ? "This task was cancelled. Duplicate it to go on."
    : isUnderWay
      ? "One at a time: the last backtest has not ended."
      : undefined;
  return (
    <form
      className="flex flex-wrap items-end gap-3"
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <Field label="Last occurrences">
        <select value={count} onChange={(event) => setCount(Number(event.target.value))} className="control w-24">
          {COUNTS.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </Field>
      <Button type="submit" look="primary" busy={isStarting} disabledReason={whyNot}>
        {isStarting ? "Starting…" : "Start backtest"}
      </Button>
    </form>
  );
}

function Report({ task, id }: { task: Task; id: string }) {
  const { data: report, error, refetch } = useQuery(backtestQuery(task.id, id));
  if (error && !report) return <LoadError error={error} what="The report" onRetry={() => void refetch()} />;
  if (!report) return <SkeletonRows rows={3} label="Loading the report" />;
  const underWay = report.occurrences.find(({ fate }) => fate === "running" || fate === "to_come")?.runId;
  return (
    <Section
      title={
        <>
          Of <Time at={report.createdAt} look="inline" />
        </>
      }
      actions={underWay && report.finishedAt === null ? <StopButton taskId={task.id} id={id} runId={underWay} /> : null}
      className="mt-8"
    >
      <p aria-live="polite" className="py-3">
        <InBrief report={report} />
      </p>
      <ol>
        {report.occurrences.map((occurrence) => (
          <TestedOccurrence key={occurrence.date} occurrence={occurrence} zone={task.schedule.timezone} />
        ))}
      </ol>
    </Section>
  );
}

/** `2 of 3 would have sent a message. Together 0.4 credits.` */
function InBrief({ report: { occurrences, messages, credits, finishedAt } }: { report: BacktestReport }) {
  const ended = occurrences.filter(({ fate }) => !["to_come", "running"].includes(fate)).length;
  const cost = credits === 0 ? "No credits used." : `Together ${amount(credits)} credits.`;
  if (finishedAt === null) return `${ended} of ${counted(occurrences.length, "occurrence")} done. ${cost}`;
  return `${messages} of ${counted(occurrences.length, "occurrence")} would have sent a message. ${cost}`;
}

function StopButton({ taskId, id, runId }: { taskId: string; id: string; runId: string }) {
  const queryClient = useQueryClient();
  const [isStopping, setStopping] = useState(false);
  const stop = async () => {
    setStopping(true);
    try {
      await cancelRun(runId);
    } catch (error) {
      sayError("The backtest goes on", error);
    } finally {
      await queryClient.invalidateQueries({ queryKey: backtestQuery(taskId, id).queryKey });
      setStopping(false);
    }
  };
  return (
    <Button look="quiet" busy={isStopping} onClick={() => void stop()}>
      Stop
    </Button>
  );
}
