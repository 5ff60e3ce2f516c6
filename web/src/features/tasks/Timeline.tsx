import { useQuery } from "@tanstack/react-query";

import { occurrencesQuery, runQuery } from "@/api/queries/tasks";
import type { Task } from "@/api/types";
import { useReaderZone } from "@/components/reader";
import { Time } from "@/components/time";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { SkeletonRows } from "@/components/ui/skeleton";
import { clockTime, dateInWords } from "@/lib/time";

import { FateRow } from "./FateRow";
import { countDeliveries, triggerInWords } from "./run-words";

/** What became of a task: its latest run by hand, every occurrence with its fate and its messages, and those to come. */
export function Timeline({ task }: { task: Task }) {
  const { data, error, refetch } = useQuery(occurrencesQuery(task.id));
  const readerZone = useReaderZone();
  const zone = task.schedule.timezone;
  const upcoming = data?.values.filter(({ fate }) => fate === "upcoming") ?? [];
  const past = data?.values.filter(({ fate }) => fate !== "upcoming") ?? [];
  const lastRunId = task.lastRun?.id;
  const isOccurrence = past.some(({ runId }) => runId === lastRunId);
  return (
    <>
      <Section title="Occurrences">
        {error && !data ? <LoadError error={error} what="The occurrences" onRetry={() => void refetch()} /> : null}
        {data === undefined && !error ? <SkeletonRows rows={4} label="Loading occurrences" /> : null}
        {data && past.length === 0 && !lastRunId ? (
          <p className="py-3 text-ink-2">
            None yet. {upcoming.length > 0 ? "The first is below; “Run now” does not wait for it." : ""}
          </p>
        ) : null}
        <ul>
          {data && lastRunId && !isOccurrence ? <LatestByHand runId={lastRunId} zone={zone} /> : null}
          {past.map((occurrence) => (
            <FateRow
              key={occurrence.date}
              {...occurrence}
              when={dateInWords(occurrence.date)}
              name={dateInWords(occurrence.date)}
              zone={zone}
            />
          ))}
        </ul>
        {data && data.pagination.after !== null ? (
          <p className="py-2 text-sm text-ink-3">Older ones are not listed here.</p>
        ) : null}
      </Section>
      {upcoming.length > 0 ? (
        <Section title="To come">
          <ul>
            {[...upcoming]
              .sort((a, b) => a.opensAt.localeCompare(b.opensAt))
              .map(({ date, opensAt, closesAt }) => (
                <li key={date} className="grid grid-cols-[9.5rem_1fr] gap-4 border-b py-2">
                  <span className="tabular text-ink-2">{dateInWords(date)}</span>
                  <span className="tabular text-ink-2">
                    {clockTime(opensAt, readerZone)} to {clockTime(closesAt, readerZone)},{" "}
                    <Time at={opensAt} zone={zone} look="relative" />
                  </span>
                </li>
              ))}
          </ul>
        </Section>
      ) : null}
    </>
  );
}

/** The latest run where no schedule started it: it belongs to no date. */
function LatestByHand({ runId, zone }: { runId: string; zone: string }) {
  const { data: run } = useQuery(runQuery(runId));
  if (run?.occurrence !== null) return null;
  const words = triggerInWords(run.trigger);
  return (
    <FateRow
      {...run}
      fate={run.status}
      when={
        <>
          {words}
          <span className="block text-sm text-ink-3">
            <Time at={run.createdAt} zone={zone} />
          </span>
        </>
      }
      name={`the latest run (${words.toLowerCase()})`}
      runId={run.id}
      deliveries={countDeliveries(run.deliveries)}
      zone={zone}
    />
  );
}
