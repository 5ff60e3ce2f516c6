/** A connection's freshness check as its form holds it, and its way to and from the API. */

import * as v from "valibot";

import type { FreshnessCheck } from "@/api/types";
import { AGE_MINUTES_MAX, AGE_UNITS, splitAge, UNIT_MINUTES, type AgeUnit } from "@/lib/freshness";
import { readNumber } from "@/lib/number";

export const FreshnessForm = v.pipe(
  v.object({
    table: v.pipe(v.string(), v.nonEmpty("Choose a table.")),
    column: v.pipe(v.string(), v.nonEmpty("Choose a column of dates or times.")),
    amount: v.string(),
    unit: v.picklist(AGE_UNITS),
  }),
  v.forward(
    v.check(({ amount }) => isCount(readNumber(amount)), "Write a whole number from 1 on."),
    ["amount"],
  ),
  v.forward(
    v.check(
      ({ amount, unit }) => !isCount(readNumber(amount)) || inMinutes(amount, unit) <= AGE_MINUTES_MAX,
      "A year is the longest.",
    ),
    ["amount"],
  ),
);

export type FreshnessFormValues = v.InferOutput<typeof FreshnessForm>;

/** Where the API's words about a field are shown. */
export const FIELDS = ["table", "column", "amount"] as const;

/** The API's name of a field, as the form calls it. */
export function formPath(path: string): string {
  const field = path.replace(/^freshness\./, "");
  return field === "maxAgeMinutes" ? "amount" : field;
}

export function toFreshnessForm(check: FreshnessCheck | null): FreshnessFormValues {
  if (!check) return { table: "", column: "", amount: "24", unit: "hours" };
  const { amount, unit } = splitAge(check.maxAgeMinutes);
  return { table: check.table, column: check.column, amount: String(amount), unit };
}

export function fromFreshnessForm({ table, column, amount, unit }: FreshnessFormValues): FreshnessCheck {
  return { table, column, maxAgeMinutes: inMinutes(amount, unit) };
}

function inMinutes(amount: string, unit: AgeUnit): number {
  return readNumber(amount) * UNIT_MINUTES[unit];
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}
