import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { ApiError, errorMessage } from "@/api/error";
import { previewQuery } from "@/api/queries/tasks";
import type { Schedule, Window } from "@/api/types";
import { useReaderZone } from "@/components/reader";
import { Skeleton } from "@/components/ui/skeleton";
import { asSentence } from "@/lib/form";
import { daysInWords } from "@/lib/schedule";
import { clockTime, dateInWords, exactInstant } from "@/lib/time";

/** The next five delivery windows of a schedule that is being edited. */
export function NextWindows({ schedule, expiresAt }: { schedule: Schedule; expiresAt: string | null }) {
  const settled = useSettled(schedule);
  const { data: windows, error, isPlaceholderData } = useQuery(previewQuery(settled));
  return (
    <section aria-labelledby="next-windows" aria-live="polite">
      <h2 id="next-windows" className="text-sm font-semibold">
        Next deliveries
      </h2>
      <p className="mt-0.5 text-ink-2">{daysInWords(schedule)}</p>
      {error ? (
        <p className="mt-3 text-bad">
          {error instanceof ApiError && error.issues[0] ? asSentence(error.issues[0].message) : errorMessage(error)}
        </p>
      ) : (
        <ol className={`mt-2 border-t transition-opacity ${isPlaceholderData ? "opacity-50" : ""}`}>
          {windows
            ? windows.map((window) => (
                <NextWindow
                  key={window.date}
                  window={window}
                  zone={settled.timezone}
                  isExpired={expiresAt !== null && window.opensAt >= expiresAt}
                />
              ))
            : Array.from({ length: 5 }, (_, row) => (
                <li key={row} className="flex h-13 items-center border-b">
                  <Skeleton className="h-3.5 w-40" />
                </li>
              ))}
        </ol>
      )}
    </section>
  );
}

function NextWindow({
  window: { date, opensAt, closesAt },
  zone,
  isExpired,
}: {
  window: Window;
  zone: string;
  isExpired: boolean;
}) {
  const readerZone = useReaderZone();
  const isElsewhere = clockTime(opensAt, zone) !== clockTime(opensAt, readerZone);
  return (
    <li className={`tabular flex h-13 items-center justify-between gap-3 border-b ${isExpired ? "text-ink-3" : ""}`}>
      <span className={isExpired ? "line-through" : ""}>{dateInWords(date)}</span>
      <span className="text-right" title={exactInstant(opensAt, readerZone)}>
        {clockTime(opensAt, zone)} to {clockTime(closesAt, zone)}
        {isExpired ? <span className="block text-sm">after it expires</span> : null}
        {isElsewhere && !isExpired ? (
          <span className="block text-sm text-ink-3">{clockTime(opensAt, readerZone)} for you</span>
        ) : null}
      </span>
    </li>
  );
}

/** The schedule once nothing has changed for a moment, so that each click does not ask the server. */
function useSettled(schedule: Schedule): Schedule {
  const [settled, setSettled] = useState(schedule);
  const text = JSON.stringify(schedule);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(JSON.parse(text) as Schedule), 200);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
