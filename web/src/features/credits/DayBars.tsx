import type { CreditSummary } from "@/api/types";
import { amount } from "@/lib/number";
import { dateInWords } from "@/lib/time";

import { barsOf } from "./days";

/** A bar for each day, the tallest as high as the picture; of a long time, a bar for each week. */
export function DayBars({ summary }: { summary: CreditSummary }) {
  const bars = barsOf(summary);
  const most = bars.reduce((high, bar) => (bar.credits > high.credits ? bar : high));
  const unit = bars.some(({ days }) => days > 1) ? "week" : "day";
  return (
    <figure className="mt-3">
      <div
        role="img"
        aria-label={`Bars of the credits used each ${unit}, from ${dateInWords(summary.firstDay)} to ${dateInWords(summary.lastDay)}. The most was ${amount(most.credits)}, on ${dateInWords(most.day)}${unit === "week" ? " and the days after" : ""}.`}
        className="flex h-28 items-end gap-px border-b sm:gap-0.5"
      >
        {bars.map(({ day, days, credits }) => (
          <div
            key={day}
            data-tip={`${dateInWords(day)}${days > 1 ? ` and ${days - 1} more` : ""}: ${amount(credits)}`}
            className="flex h-full flex-1 items-end hover:bg-sunk"
          >
            <div
              className="w-full rounded-t-[2px] bg-accent"
              // What was used at all shows.
              style={{ height: credits > 0 ? `max(2px, ${(100 * credits) / most.credits}%)` : 0 }}
            />
          </div>
        ))}
      </div>
      <figcaption className="tabular mt-1 flex justify-between gap-4 text-sm text-ink-3">
        <span>{dateInWords(summary.firstDay)}</span>
        <span>{dateInWords(summary.lastDay)}</span>
      </figcaption>
    </figure>
  );
}
