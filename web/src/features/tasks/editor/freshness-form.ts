/** A task's wish for fresh data as the editor holds it, and its way to and from the API. */

import * as v from "valibot";

import type { FreshnessGate } from "@/api/types";

export const FreshnessForm = v.object({
  start: v.picklist(["planned", "fresh"]),
  policy: v.picklist(["send_stale", "skip"]),
  /** Connections of the task whose freshness does not count. What is mentioned later counts by itself. */
  exceptIds: v.array(v.string()),
});

export type FreshnessFormValues = v.InferOutput<typeof FreshnessForm>;

export function newFreshnessForm(): FreshnessFormValues {
  return { start: "planned", policy: "send_stale", exceptIds: [] };
}

/** `contextIds`: the task's connections. */
export function toFreshnessForm(gate: FreshnessGate | null, contextIds: string[]): FreshnessFormValues {
  if (!gate) return newFreshnessForm();
  const counted = gate.connectionIds ?? contextIds;
  return { start: "fresh", policy: gate.policy, exceptIds: contextIds.filter((id) => !counted.includes(id)) };
}

/** What is saved. Null: nothing is waited for. */
export function fromFreshnessForm(form: FreshnessFormValues, contextIds: string[]): FreshnessGate | null {
  if (form.start === "planned") return null;
  const counted = countedIds(form, contextIds);
  return { policy: form.policy, connectionIds: counted.length === contextIds.length ? null : counted };
}

/** Whether something is left to wait for. A task that mentions no data waits for all that it may use. */
export function waitsForSomething(form: FreshnessFormValues, contextIds: string[]): boolean {
  return form.start === "planned" || contextIds.length === 0 || countedIds(form, contextIds).length > 0;
}

function countedIds({ exceptIds }: FreshnessFormValues, contextIds: string[]): string[] {
  return contextIds.filter((id) => !exceptIds.includes(id));
}
