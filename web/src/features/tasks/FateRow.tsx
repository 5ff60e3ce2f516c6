import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";
import { useState, type ReactNode } from "react";

import { deliveriesQuery } from "@/api/queries/tasks";
import type { Delivery, DeliveryCounts, Occurrence } from "@/api/types";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { FALLBACK_WORDS } from "@/lib/audience";
import { checkInWords } from "@/lib/check";
import { asSentence } from "@/lib/form";
import { count } from "@/lib/number";

import { deliveriesInWords, deliveryKindInWords, deliveryStateInWords, FateMark } from "./run-words";

interface FateRowProps extends Pick<Occurrence, "fate" | "reason" | "message" | "late" | "check"> {
  /** When it was. */
  when: ReactNode;
  /** The same in plain words, to name its thread by. */
  name: string;
  runId: string | null;
  threadId: string | null;
  deliveries: DeliveryCounts;
  zone: string;
}

/** What became of one run or occurrence: how it stands, why, its numbers, and its messages to unfold. */
export function FateRow(row: FateRowProps) {
  const { when, name, fate, reason, message, late, check, runId, threadId, deliveries, zone } = row;
  const [isOpen, setOpen] = useState(false);
  const words = deliveriesInWords(deliveries);
  return (
    <li className="border-b py-2.5">
      <div className="grid grid-cols-1 gap-x-4 gap-y-1 sm:grid-cols-[9.5rem_1fr_auto]">
        <span className="tabular">{when}</span>
        <div className="min-w-0 text-ink-2">
          <FateMark fate={fate} reason={reason} />
          {check && fate !== "upcoming" ? <p className="break-words">{checkInWords(check, fate)}</p> : null}
          {message ? <p className="break-words">{asSentence(message)}</p> : null}
          {late ? <p className="text-warn">Late: its window had closed before it could start.</p> : null}
          {words && runId ? (
            <button
              type="button"
              aria-expanded={isOpen}
              onClick={() => setOpen(!isOpen)}
              className="-ml-1 flex items-start gap-1 rounded-sm px-1 text-left hover:text-ink"
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
            aria-label={`Thread of ${name}`}
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
};

/** Why a message was not sent, where nothing more was said of it. */
const REASONS: Record<string, string> = {
  recipient_deactivated: "The member is deactivated.",
  not_wanted: "They want no messages, neither by email nor in Slack.",
  unsubscribed: "They do not want this task's messages.",
  address_suppressed: "A mail server said that the address does not exist.",
  destination_paused: "Nothing is sent there since messages do not arrive. See “Not reached” on this page.",
};

/** So many of a run's messages are listed at first. */
const SHOWN_AT_FIRST = 50;

function Deliveries({ runId, zone }: { runId: string; zone: string }) {
  const { data, error, refetch } = useQuery(deliveriesQuery(runId));
  const [isWhole, setWhole] = useState(false);
  if (error) return <LoadError error={error} what="The messages" onRetry={() => void refetch()} />;
  if (!data) return <Skeleton className="mt-2 h-5 w-64" />;
  const shown = isWhole ? data.values : data.values.slice(0, SHOWN_AT_FIRST);
  return (
    <div className="mt-2 border-l pl-4 sm:ml-[9.5rem]">
      <ul>
        {shown.map((delivery) => (
          <DeliveryLine key={delivery.id} delivery={delivery} zone={zone} />
        ))}
      </ul>
      {shown.length < data.values.length ? (
        <Button look="quiet" className="-ml-3" onClick={() => setWhole(true)}>
          Show all {count(data.values.length)} messages
        </Button>
      ) : null}
    </div>
  );
}

function DeliveryLine({ delivery, zone }: { delivery: Delivery; zone: string }) {
  const { id, recipient, channel, kind, state, sentAt, message, reason } = delivery;
  const why = message ?? (reason ? (REASONS[reason] ?? reason) : null);
  const kindWords = deliveryKindInWords(kind);
  return (
    <li className="flex flex-wrap gap-x-4 py-1">
      <span className="min-w-40 break-all">{recipient.label}</span>
      <span className="text-ink-2">
        {CHANNELS[channel] ?? channel}
        {kindWords ? `, ${kindWords}` : ""}
      </span>
      <span className={state === "failed" ? "text-bad" : "text-ink-2"}>
        {deliveryStateInWords(delivery)}
        {sentAt ? (
          <>
            {" "}
            <Time at={sentAt} zone={zone} look="inline" />
          </>
        ) : null}
      </span>
      <AudienceWords delivery={delivery} />
      <Link
        to="/deliveries/$deliveryId"
        params={{ deliveryId: id }}
        aria-label={`Details of the message to ${recipient.label}`}
        className="link"
      >
        Details
      </Link>
      {delivery.fallback ? (
        <span className="basis-full text-sm text-ink-2">
          By email, {FALLBACK_WORDS[delivery.fallback] ?? delivery.fallback}.
        </span>
      ) : null}
      {why ? <span className="basis-full text-sm text-ink-2">{asSentence(why)}</span> : null}
    </li>
  );
}

function AudienceWords({ delivery: { audience } }: { delivery: Delivery }) {
  if (audience === null || audience === "full") return null;
  return <span className="text-warn">{audience === "link_only" ? "link only" : "withheld"}</span>;
}
