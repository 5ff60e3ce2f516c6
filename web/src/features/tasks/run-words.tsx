import {
  Ban,
  Check,
  CircleAlert,
  CircleDashed,
  CircleSlash,
  Clock,
  LoaderCircle,
  Pause,
  SkipForward,
} from "lucide-react";
import type { ReactNode } from "react";

import type { DeliveryCounts, DeliveryState, Occurrence, Task } from "@/api/types";
import { Time } from "@/components/time";
import { counted } from "@/lib/number";

type Fate = Occurrence["fate"];

const FATES: Record<Fate, { words: string; icon: ReactNode; className?: string }> = {
  upcoming: { words: "Upcoming", icon: <CircleDashed />, className: "text-ink-3" },
  queued: { words: "Queued", icon: <Clock />, className: "text-ink-2" },
  waiting: { words: "Waiting to try again", icon: <Clock />, className: "text-warn" },
  running: { words: "Running", icon: <LoaderCircle />, className: "text-accent [&_svg]:animate-spin" },
  succeeded: { words: "Answered", icon: <Check /> },
  no_news: { words: "No news", icon: <CircleSlash />, className: "text-ink-2" },
  failed: { words: "Failed", icon: <CircleAlert />, className: "text-bad" },
  skipped: { words: "Skipped", icon: <SkipForward />, className: "text-ink-2" },
  missed: { words: "Missed", icon: <CircleAlert />, className: "text-warn" },
  cancelled: { words: "Cancelled", icon: <Ban />, className: "text-ink-2" },
};

/** How a run or an occurrence stands: a sign and a word. */
export function FateMark({ fate }: { fate: Fate }) {
  const { words, icon, className = "" } = FATES[fate];
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

const STATE_WORDS: Record<DeliveryState, string> = {
  sent: "sent",
  pending: "to be sent",
  sending: "sending",
  failed: "failed",
  unknown: "unknown",
  withheld: "withheld",
  suppressed: "not wanted",
};

export function deliveryStateInWords(state: DeliveryState): string {
  return STATE_WORDS[state];
}

const COUNTED: (keyof DeliveryCounts)[] = ["sent", "pending", "failed", "withheld", "suppressed"];

/** `2 messages sent, 1 failed`; empty when there is none. */
export function deliveriesInWords(counts: DeliveryCounts): string {
  return COUNTED.filter((state) => counts[state] > 0)
    .map((state, index) => {
      const words = STATE_WORDS[state];
      return index === 0 ? `${counted(counts[state], "message")} ${words}` : `${counts[state]} ${words}`;
    })
    .join(", ");
}
