import {
  BookOpen,
  CalendarPlus,
  ChartColumn,
  ChevronRight,
  Database,
  GitCompareArrows,
  History,
  MessageSquareText,
  PenLine,
  Search,
  Sparkle,
  TriangleAlert,
  Wrench,
} from "lucide-react";
import { useState, type ReactNode } from "react";

import type { Step, Turn } from "@/api/types";
import { Sql } from "@/components/sql";
import { activitiesOf, providersOf, type Activity, type ActivityKind } from "@/lib/activities";
import { counted } from "@/lib/number";
import { isUnfinished } from "@/lib/thread-events";
import { durationInWords } from "@/lib/time";

const ICONS: Record<ActivityKind, ReactNode> = {
  search: <Search />,
  describe: <BookOpen />,
  query: <Database />,
  chart: <ChartColumn />,
  earlier: <History />,
  compare: <GitCompareArrows />,
  draft: <CalendarPlus />,
  answer: <PenLine />,
  thought: <MessageSquareText />,
  notice: <TriangleAlert />,
  other: <Wrench />,
};

/** What the agent does, line by line while it works; one line to unfold once it is done. */
export function StepsView({ turn, steps, draft }: { turn: Turn; steps: Step[]; draft: string }) {
  const isLive = isUnfinished(turn);
  const [isUnfolded, setUnfolded] = useState(false);
  const activities = activitiesOf(steps);
  const isOpen = isLive || isUnfolded;
  if (!isLive && activities.length === 0) return null;

  return (
    <div className="mb-6">
      {isLive ? null : (
        <button
          type="button"
          aria-expanded={isUnfolded}
          onClick={() => setUnfolded(!isUnfolded)}
          className="-ml-1 inline-flex items-center gap-1 rounded-sm px-1 text-ink-3 transition-colors hover:text-ink"
        >
          <ChevronRight aria-hidden className={`size-4 transition-transform ${isUnfolded ? "rotate-90" : ""}`} />
          {summary(turn, activities, steps)}
        </button>
      )}
      {isOpen ? (
        <ol aria-label="What the agent did" aria-live={isLive ? "polite" : "off"} className="mt-1">
          {activities.map((activity) => (
            <ActivityLine key={activity.key} activity={activity} isLive={isLive} />
          ))}
          {isLive && activities.every(({ isDone }) => isDone) ? <Waiting turn={turn} draft={draft} /> : null}
        </ol>
      ) : null}
    </div>
  );
}

function summary(turn: Turn, activities: Activity[], steps: Step[]): string {
  const queries = activities.filter(({ kind }) => kind === "query").length;
  const worked =
    turn.startedAt && turn.finishedAt
      ? `Worked for ${durationInWords(Date.parse(turn.finishedAt) - Date.parse(turn.startedAt))}`
      : "Worked";
  const words = [worked, counted(activities.length, "step"), counted(queries, "query", "queries")];
  return [...words, ...providersOf(steps)].join(" · ");
}

function ActivityLine({ activity, isLive }: { activity: Activity; isLive: boolean }) {
  const [isSqlOpen, setSqlOpen] = useState(false);
  const { kind, words, detail, sql, error, isDone, elapsedMs } = activity;
  return (
    <li className="relative flex gap-3 pb-2.5 before:absolute before:top-6 before:bottom-0 before:left-2 before:w-px before:bg-line last:before:hidden">
      <span
        aria-hidden
        className={`mt-[3px] shrink-0 [&_svg]:size-4 ${error ? "text-warn" : "text-ink-3"} ${isLive && !isDone ? "breathe" : ""}`}
      >
        {ICONS[kind]}
      </span>
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-baseline gap-x-2">
          <span className={kind === "thought" ? "break-words whitespace-pre-wrap text-ink-2" : ""}>{words}</span>
          {detail ? <span className="min-w-0 break-words text-ink-2">{detail}</span> : null}
          {elapsedMs !== null && kind !== "thought" ? (
            <span className="tabular text-sm text-ink-3">{durationInWords(elapsedMs)}</span>
          ) : null}
          {sql ? (
            <button
              type="button"
              aria-expanded={isSqlOpen}
              onClick={() => setSqlOpen(!isSqlOpen)}
              className="link rounded-sm text-sm"
            >
              SQL
            </button>
          ) : null}
        </p>
        {error ? <p className="text-sm text-warn">{error}</p> : null}
        {sql && isSqlOpen ? (
          <div className="mt-1.5">
            <Sql sql={sql} />
          </div>
        ) : null}
      </div>
    </li>
  );
}

function Waiting({ turn, draft }: { turn: Turn; draft: string }) {
  return (
    <li className="flex gap-3">
      <span aria-hidden className="breathe mt-[3px] text-accent [&_svg]:size-4">
        <Sparkle />
      </span>
      {draft ? (
        <p className="min-w-0 flex-1 break-words whitespace-pre-wrap text-ink-2">{draft}</p>
      ) : (
        <p className="text-ink-2">{turn.status === "queued" ? "Waiting to start…" : "Thinking…"}</p>
      )}
    </li>
  );
}
