import type { CreditSummary } from "@/api/types";

const DAY_MS = 86_400_000;
/** More days than this are told week by week. */
const BARS_MAX = 100;

/** What some days in a row cost. */
export interface Bar {
  /** The first of them. */
  day: string;
  /** How many they are. */
  days: number;
  credits: number;
}

/** The days of a summary, those on which nothing was used included; of a long time its weeks, the last of them whole. */
export function barsOf({ firstDay, lastDay, days }: Pick<CreditSummary, "firstDay" | "lastDay" | "days">): Bar[] {
  const first = Date.parse(firstDay);
  const count = Math.round((Date.parse(lastDay) - first) / DAY_MS) + 1;
  const width = count > BARS_MAX ? 7 : 1;
  // The first bar takes what does not fill one.
  const short = count % width;
  const bars: Bar[] = [];
  for (let start = 0; start < count;) {
    const length = start === 0 && short > 0 ? short : width;
    bars.push({ day: new Date(first + start * DAY_MS).toISOString().slice(0, 10), days: length, credits: 0 });
    start += length;
  }
  for (const { day, credits } of days) {
    const place = Math.round((Date.parse(day) - first) / DAY_MS);
    const bar = bars[short === 0 ? Math.floor(place / width) : Math.floor((place - short) / width) + 1];
    if (bar) bar.credits += credits;
  }
  return bars;
}
