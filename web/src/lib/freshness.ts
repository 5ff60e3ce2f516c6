/** How old data may be: lengths of time as people write them and as the API takes them. */

import type { FreshnessCheck } from "@/api/types";
import { counted } from "@/lib/number";

export const AGE_UNITS = ["minutes", "hours", "days"] as const;
export type AgeUnit = (typeof AGE_UNITS)[number];

/** How many minutes a unit has. */
export const UNIT_MINUTES: Record<AgeUnit, number> = { minutes: 1, hours: 60, days: 1440 };

/** The longest age that may be allowed: a year. */
export const AGE_MINUTES_MAX = 525_600;

/** `1440` as `24 hours`, `4320` as `3 days`: in the largest unit that leaves no rest, days from two on. */
export function splitAge(minutes: number): { amount: number; unit: AgeUnit } {
  if (minutes >= 2880 && minutes % 1440 === 0) return { amount: minutes / 1440, unit: "days" };
  if (minutes >= 60 && minutes % 60 === 0) return { amount: minutes / 60, unit: "hours" };
  return { amount: minutes, unit: "minutes" };
}

/** `24 hours` */
export function ageInWords(minutes: number): string {
  const { amount, unit } = splitAge(minutes);
  return counted(amount, unit.slice(0, -1));
}

/** `orders.loaded_at at most 24 hours old` */
export function freshnessInWords({ table, column, maxAgeMinutes }: FreshnessCheck): string {
  return `${table}.${column} at most ${ageInWords(maxAgeMinutes)} old`;
}
