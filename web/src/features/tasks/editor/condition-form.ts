/** A task's condition as the editor holds it, and its way to and from the API. */

import * as v from "valibot";

import type { Comparison, Condition, Direction } from "@/api/types";
import { readNumber, writeNumber } from "@/lib/number";

type Kind = Condition["kind"];

/** Each as the beginning of what goes on after "Only when". */
export const KINDS: readonly (readonly [Kind, string])[] = [
  ["threshold", "the value is"],
  ["percent_change", "the value has moved"],
  ["anomaly", "the value is unusual"],
  ["rows", "the number of rows is"],
  ["changed", "the rows have changed"],
  ["no_data", "there is no data"],
];

export const COMPARISONS: readonly (readonly [Comparison, string])[] = [
  ["below", "below"],
  ["above", "above"],
  ["at_least", "at least"],
  ["at_most", "at most"],
  ["equal", "equal to"],
];

export const DIRECTIONS: readonly (readonly [Direction, string])[] = [
  ["either", "up or down"],
  ["up", "up"],
  ["down", "down"],
];

const NEEDS_VALUE: ReadonlySet<Kind> = new Set(["threshold", "percent_change", "anomaly"]);

/** Whether a condition looks at one value of a column, which may be named. */
export function isAboutValue(kind: Kind): boolean {
  return NEEDS_VALUE.has(kind);
}

function wordsOf<T extends string>(choices: readonly (readonly [T, string])[]): T[] {
  return choices.map(([word]) => word);
}

/** Every choice at once, so that switching the kind back and forth loses nothing. Numbers are kept as they are typed. */
export const ConditionForm = v.pipe(
  v.object({
    send: v.picklist(["always", "when"]),
    kind: v.picklist(wordsOf(KINDS)),
    comparison: v.picklist(wordsOf(COMPARISONS)),
    value: v.string(),
    direction: v.picklist(wordsOf(DIRECTIONS)),
    percent: v.string(),
    column: v.pipe(v.string(), v.trim(), v.maxLength(200, "Keep the column's name to 200 characters.")),
  }),
  v.forward(
    v.check(
      ({ send, kind, value }) => send === "always" || kind !== "threshold" || !Number.isNaN(readNumber(value)),
      "Write a number, such as 500 or 12.5.",
    ),
    ["value"],
  ),
  v.forward(
    v.check(
      ({ send, kind, value }) => send === "always" || kind !== "rows" || isCount(readNumber(value)),
      "Write a whole number from 0 on.",
    ),
    ["value"],
  ),
  v.forward(
    v.check(
      ({ send, kind, percent }) => send === "always" || kind !== "percent_change" || readNumber(percent) > 0,
      "Write a number of per cent, more than 0.",
    ),
    ["percent"],
  ),
);

export type ConditionFormValues = v.InferOutput<typeof ConditionForm>;

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

export function newConditionForm(): ConditionFormValues {
  return {
    send: "always",
    kind: "threshold",
    comparison: "below",
    value: "",
    direction: "either",
    percent: "10",
    column: "",
  };
}

export function toConditionForm(condition: Condition | null): ConditionFormValues {
  const form = newConditionForm();
  if (!condition) return form;
  form.send = "when";
  form.kind = condition.kind;
  if ("column" in condition) form.column = condition.column ?? "";
  if ("comparison" in condition) {
    form.comparison = condition.comparison;
    form.value = writeNumber(condition.value);
  }
  if ("direction" in condition) {
    form.direction = condition.direction;
    form.percent = writeNumber(condition.percent);
  }
  return form;
}

/** What is saved. Null: the answer is always sent. */
export function fromConditionForm(form: ConditionFormValues): Condition | null {
  const { send, kind, comparison, direction } = form;
  if (send === "always") return null;
  const column = form.column.trim() ? { column: form.column.trim() } : {};
  switch (kind) {
    case "rows":
      return { kind, comparison, value: readNumber(form.value) };
    case "threshold":
      return { kind, comparison, value: readNumber(form.value), ...column };
    case "percent_change":
      return { kind, direction, percent: readNumber(form.percent), ...column };
    case "anomaly":
      return { kind, ...column };
    case "changed":
    case "no_data":
      return { kind };
  }
}
