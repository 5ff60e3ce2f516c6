import {
  Ban,
  Check,
  CircleAlert,
  CircleDashed,
  Clock,
  Hourglass,
  LoaderCircle,
  Minus,
  Pause,
  SkipForward,
} from "lucide-react";
import type { ReactNode } from "react";

import type { Delivery, DeliveryCounts, DeliveryState, Occurrence, Run, Task } from "@/api/types";
import { Time } from "@/components/time";
import { counted } from "@/lib/number";

type Fate = Occurrence["fate"];

interface FateLook {
  words: string;
  icon: ReactNode;
  className?: string;
}

const FATES: Record<Fate, FateLook> = {
  upcoming: { words: "Upcoming", icon: <CircleDashed />, className: "text-ink-3" },
  queued: { words: "Queued", icon: <Clock />, className: "text-ink-2" },
  waiting: { words: "Waiting", icon: <Clock />, className: "text-ink-2" },
  running: { words: "Running", icon: <LoaderCircle />, className: "text-accent [&_svg]:animate-spin" },
  succeeded: { words: "Answered", icon: <Check />, className: "text-ink" },
  no_news: { words: "No news", icon: <Minus />, className: "text-ink-2" },
  failed: { words: "Failed", icon: <CircleAlert />, className: "text-bad" },
  skipped: { words: "Skipped", icon: <SkipForward />, className: "text-ink-2" },
  missed: { words: "Missed", icon: <CircleAlert />, className: "text-warn" },
  cancelled: { words: "Cancelled", icon: <Ban />, className: "text-ink-2" },
};

/** What a run waits for, or was skipped for, where its reason is known. */
const WITH_REASON: Partial<Record<`${Fate} ${NonNullable<Occurrence["reason"]>}`, FateLook>> = {
  "waiting stale_data": { words: "Waiting for fresh data", icon: <Hourglass />, className: "text-ink-2" },
  "waiting blocked_by_credits": { words: "Waiting for credits", icon: <Hourglass />, className: "text-warn" },
  "waiting connection_failed": { words: "Waiting to try again", icon: <Clock />, className: "text-warn" },
  "waiting model_unavailable": { words: "Waiting to try again", icon: <Clock />, className: "text-warn" },
  "waiting internal": { words: "Waiting to try again", icon: <Clock />, className: "text-warn" },
  "failed cap_reached": { words: "Stopped by a cap", icon: <CircleAlert />, className: "text-warn" },
  "skipped rescheduled": { words: "Skipped, rescheduled", icon: <SkipForward />, className: "text-ink-2" },
  "skipped stale_data": { words: "Skipped, data not fresh", icon: <SkipForward />, className: "text-ink-2" },
};

/** How a run or an occurrence stands: a sign and a word. With the reason it says what a waiting one waits for. */
export function FateMark({ fate, reason }: { fate: Fate; reason?: Occurrence["reason"] }) {
  const special = reason ? WITH_REASON[`${fate} ${reason}`] : undefined;
  const { words, icon, className = "" } = special ?? FATES[fate];
  return (
    <span className={`inline-flex items-center gap-1.5 whitespace-nowrap [&_svg]:size-3.5 ${className}`}>
      <span aria-hidden>{icon}</span>
      {words}
    </span>
  );
}

const STATUSES: Record<Task["status"], { words: string; className: string; icon: ReactNode }> = {
  active: { words: "Active", className: "", icon: <span className="m-[3px] block size-2 rounded-full bg-accent" /> },
  paused: { words: "Paused", className: "text-ink-2", icon: <Pause /> },
  expired: { words: "Expired", className: "text-warn", icon: <Clock /> },
  cancelled: { words: "Cancelled", className: "text-ink-2", icon: <Ban /> },
};

export function StatusMark({ status }: { status: Task["status"] }) {
  const { words, className, icon } = STATUSES[status];
  return (
    <span className={`inline-flex items-center gap-1.5 whitespace-nowrap [&_svg]:size-3.5 ${className}`}>
      <span aria-hidden>{icon}</span>
      {words}
    </span>
  );
}

/** How the latest run of a task ended, and when. */
export function LastRun({ task: { lastRun, schedule } }: { task: Task }) {
  if (!lastRun) return <span className="text-ink-3">Not yet</span>;
  return (
    <div>
      <FateMark fate={lastRun.status} />
      {lastRun.finishedAt ? (
        <span className="block text-sm text-ink-3">
          <Time at={lastRun.finishedAt} zone={schedule.timezone} />
        </span>
      ) : null}
    </div>
  );
}

const TRIGGERS: Record<Run["trigger"], string> = {
  schedule: "As planned",
  manual: "Run by hand",
  test: "Test to you",
  retry: "Run again",
  thread: "Asked in a thread",
  backtest: "Backtest",
};

export function triggerInWords(trigger: Run["trigger"]): string {
  return TRIGGERS[trigger];
}

/** Messages that are not the answer. */
const KINDS: Record<string, string> = {
  no_news: "weekly note: no news",
  failure: "word of the failure",
  recovery: "word that it works again",
  still_running: "word that it was skipped",
  stale_data: "word that its data is old",
  expiring: "word that it expires",
  expired: "word that it expired",
};

/** What a message is, where it is not the answer; empty for the answer. */
export function deliveryKindInWords(kind: string): string {
  return KINDS[kind] ?? "";
}

const STATE_WORDS: Record<DeliveryState, string> = {
  sent: "sent",
  pending: "to be sent",
  sending: "sending",
  failed: "failed",
  unknown: "unknown",
  withheld: "withheld",
  suppressed: "not wanted",
};

/** Why a message was not tried, or not again, that was wanted: it did not reach its recipient. */
const LOST = new Set(["address_dead", "address_suppressed", "destination_paused"]);

function isLost({ state, reason }: Pick<Delivery, "state" | "reason">): boolean {
  return state === "failed" || (state === "suppressed" && LOST.has(reason ?? ""));
}

export function deliveryStateInWords(delivery: Pick<Delivery, "state" | "reason">): string {
  return isLost(delivery) && delivery.state === "suppressed" ? "not sent" : STATE_WORDS[delivery.state];
}

const COUNTED: (keyof DeliveryCounts)[] = ["sent", "pending", "failed", "withheld", "suppressed"];

type Counted = Pick<Delivery, "state" | "reason" | "channel" | "kind" | "recipient">;

/** Messages of one kind to one recipient by one way have the same. */
function aim({ channel, kind, recipient }: Counted): string {
  return JSON.stringify([channel, kind, recipient.userId, recipient.slackChannelId]);
}

/** How many of a run's messages are in which state, as an occurrence counts them. */
export function countDeliveries(deliveries: Counted[]): DeliveryCounts {
  const counts: DeliveryCounts = { pending: 0, sent: 0, failed: 0, withheld: 0, suppressed: 0 };
  const arrived = new Set(deliveries.filter(({ state }) => state === "sent").map(aim));
  for (const delivery of deliveries) {
    const { state } = delivery;
    if (isLost(delivery)) {
      // Sent again, and it arrived.
      if (!arrived.has(aim(delivery))) counts.failed += 1;
    } else {
      // What is being sent, and what nobody knows the end of, is pending.
      counts[state === "sending" || state === "unknown" ? "pending" : state] += 1;
    }
  }
  return counts;
}

/** `2 messages sent, 1 failed`; empty when there is none. */
export function deliveriesInWords(counts: DeliveryCounts): string {
  return COUNTED.filter((state) => counts[state] > 0)
    .map((state, index) => {
      const words = STATE_WORDS[state];
      return index === 0 ? `${counted(counts[state], "message")} ${words}` : `${counts[state]} ${words}`;
    })
    .join(", ");
}
