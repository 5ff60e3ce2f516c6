import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";
import { useState } from "react";

import { deliveriesQuery, occurrencesQuery } from "@/api/queries/tasks";
import type { Delivery, Occurrence, Task } from "@/api/types";
import { useReaderZone } from "@/components/reader";
import { Time } from "@/components/time";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { Skeleton, SkeletonRows } from "@/components/ui/skeleton";
import { asSentence } from "@/lib/form";
import { clockTime, dateInWords } from "@/lib/time";

import { deliveriesInWords, deliveryStateInWords, FateMark } from "./run-words";

/** Every occurrence of a task, those to come first, each with its fate and its messages. */
export function Timeline({ task }: { task: Task }) {
  const { data, error, refetch } = useQuery(occurrencesQuery(task.id));
  const readerZone = useReaderZone();
  const upcoming = data?.values.filter(({ fate }) => fate === "upcoming") ?? [];
  const past = data?.values.filter(({ fate }) => fate !== "upcoming") ?? [];
  return (
    <>
      <Section title="Occurrences">
        {error && !data ? <LoadError error={error} what="The occurrences" onRetry={() => void refetch()} /> : null}
        {data === undefined && !error ? <SkeletonRows rows={4} label="Loading occurrences" /> : null}
        {data && past.length === 0 ? (
          <p className="py-3 text-ink-2">
            None yet. {upcoming.length > 0 ? "The first is below; “Run now” does not wait for it." : ""}
          </p>
        ) : null}
        <ul>
          {past.map((occurrence) => (
            <PastOccurrence key={occurrence.date} occurrence={occurrence} zone={task.schedule.timezone} />
          ))}
        </ul>
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
                    <Time at={opensAt} zone={task.schedule.timezone} look="relative" />
                  </span>
                </li>
              ))}
          </ul>
        </Section>
      ) : null}
    </>
  );
}

function PastOccurrence({ occurrence, zone }: { occurrence: Occurrence; zone: string }) {
  const [isOpen, setOpen] = useState(false);
  const { date, fate, message, late, runId, threadId } = occurrence;
  const words = deliveriesInWords(occurrence.deliveries);
  return (
    <li className="border-b py-2.5">
      <div className="grid grid-cols-1 gap-x-4 gap-y-1 sm:grid-cols-[9.5rem_9rem_1fr_auto]">
        <span className="tabular">{dateInWords(date)}</span>
        <span>
          <FateMark fate={fate} />
          {late ? <span className="text-sm text-warn"> late</span> : null}
        </span>
        <div className="min-w-0">
          {message ? <p className="text-ink-2">{asSentence(message)}</p> : null}
          {words && runId ? (
            <button
              type="button"
              aria-expanded={isOpen}
              onClick={() => setOpen(!isOpen)}
              className="-ml-1 inline-flex items-start gap-1 rounded-sm px-1 text-left text-ink-2 hover:text-ink"
            >
              <ChevronRight
                aria-hidden
                className={`mt-1 size-3.5 shrink-0 transition-transform ${isOpen ? "rotate-90" : ""}`}
              />
              {words}
            </button>
          ) : null}
        </div>
        {threadId ? (
          <Link
            to="/threads/$threadId"
            params={{ threadId }}
            aria-label={`Thread of ${dateInWords(date)}`}
            className="link justify-self-start"
          >
            Thread
          </Link>
        ) : null}
      </div>
      {isOpen && runId ? <Deliveries runId={runId} zone={zone} /> : null}
    </li>
  );
}

const CHANNELS: Record<string, string> = {
  email: "Email",
  slack_channel: "Slack channel",
  slack_dm: "Slack message",
  webhook: "Webhook",
};

function Deliveries({ runId, zone }: { runId: string; zone: string }) {
  const { data, error, refetch } = useQuery(deliveriesQuery(runId));
  if (error) return <LoadError error={error} what="The messages" onRetry={() => void refetch()} />;
  if (!data) return <Skeleton className="mt-2 h-5 w-64" />;
  return (
    <ul className="mt-2 border-l pl-4 sm:ml-[9.5rem]">
      {data.values.map((delivery) => (
        <li key={delivery.id} className="flex flex-wrap gap-x-4 py-1">
          <span className="min-w-40">{delivery.recipient.label}</span>
          <span className="text-ink-2">{CHANNELS[delivery.channel] ?? delivery.channel}</span>
          <span className={delivery.state === "failed" ? "text-bad" : "text-ink-2"}>
            {deliveryStateInWords(delivery.state)}
            {delivery.sentAt ? (
              <>
                {" "}
                <Time at={delivery.sentAt} zone={zone} />
              </>
            ) : null}
          </span>
          <AudienceWords delivery={delivery} />
          {delivery.reason ? (
            <span className="basis-full text-sm text-ink-2">{asSentence(delivery.reason)}</span>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

function AudienceWords({ delivery: { audience } }: { delivery: Delivery }) {
  if (audience === null || audience === "full") return null;
  return <span className="text-warn">{audience === "link_only" ? "link only" : "withheld"}</span>;
}
