import { Link } from "@tanstack/react-router";
import { Ban, BellRing, CircleAlert, CircleDashed, LoaderCircle, Minus } from "lucide-react";
import { lazy, Suspense, type ReactNode } from "react";

import type { TestedFate, TestedOccurrence as Tested } from "@/api/types";
import { Time } from "@/components/time";
import { Skeleton } from "@/components/ui/skeleton";
import { asSentence } from "@/lib/form";
import { amount } from "@/lib/number";

const Markdown = lazy(() => import("@/components/markdown").then((module) => ({ default: module.Markdown })));

const FATES: Record<TestedFate, { words: string; icon: ReactNode; className: string }> = {
  to_come: { words: "To come", icon: <CircleDashed />, className: "text-ink-3" },
  running: { words: "Running", icon: <LoaderCircle />, className: "text-accent [&_svg]:animate-spin" },
  sent: { words: "Would have been sent", icon: <BellRing />, className: "text-ink" },
  no_news: { words: "Nothing would have been sent", icon: <Minus />, className: "text-ink-2" },
  failed: { words: "Failed", icon: <CircleAlert />, className: "text-bad" },
  cancelled: { words: "Stopped", icon: <Ban />, className: "text-ink-2" },
  not_run: { words: "Not run: the backtest ended before", icon: <Minus />, className: "text-ink-3" },
};

/** What would have become of an occurrence: whether it would have been sent, why, the message, and what it cost. */
export function TestedOccurrence({ occurrence, zone }: { occurrence: Tested; zone: string }) {
  const { date, opensAt, fate, why, message, threadId, credits } = occurrence;
  const { words, icon, className } = FATES[fate];
  return (
    <li className="border-b py-4">
      <div className="flex flex-wrap items-baseline gap-x-4 gap-y-1">
        <span className="font-medium">
          <Time at={opensAt} zone={zone} />
        </span>
        <span className={`inline-flex items-center gap-1.5 [&_svg]:size-3.5 ${className}`}>
          <span aria-hidden>{icon}</span>
          {words}
        </span>
        <span className="flex gap-x-4 sm:ml-auto">
          {credits > 0 ? <span className="tabular text-ink-3">{amount(credits)} credits</span> : null}
          {threadId ? (
            <Link
              to="/threads/$threadId"
              params={{ threadId }}
              aria-label={`Whole answer of ${date}`}
              className="link whitespace-nowrap"
            >
              Whole answer
            </Link>
          ) : null}
        </span>
      </div>
      {why ? <p className="mt-1 max-w-[68ch] break-words text-ink-2">{asSentence(why)}</p> : null}
      {message ? <Message message={message} isSent={fate === "sent"} /> : null}
    </li>
  );
}

/** The message's text. Its tables and pictures are in the thread. */
function Message({ message, isSent }: { message: NonNullable<Tested["message"]>; isSent: boolean }) {
  return (
    <div className={`mt-3 max-w-[72ch] border-l-2 pl-4 ${isSent ? "border-accent" : "border-line text-ink-2"}`}>
      <p className="text-base font-semibold break-words">{message.headline}</p>
      {message.body.trim() ? (
        <div className="mt-1">
          <Suspense fallback={<Skeleton className="h-12 w-full" />}>
            <Markdown text={message.body} />
          </Suspense>
        </div>
      ) : null}
      {message.caveats.length > 0 ? (
        <ul className="mt-2 space-y-1 text-sm text-ink-3">
          {message.caveats.map((caveat, index) => (
            <li key={index}>{caveat}</li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}
