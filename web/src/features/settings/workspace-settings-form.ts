/** How a workspace's tasks run as its form holds it, and its way to and from the API. */

import * as v from "valibot";

import type { WorkspaceSettings } from "@/api/types";
import { readNumber, writeNumber } from "@/lib/number";

const HOUR_SECONDS = 3600;
const GRACE_HOURS_MAX = 168;
const CONCURRENT_RUNS_MAX = 10_000;

export const WorkspaceSettingsForm = v.object({
  graceHours: v.pipe(
    v.string(),
    v.check(isGrace, `Write a number of hours from 0 to ${GRACE_HOURS_MAX}, such as 6 or 0.5.`),
  ),
  maxConcurrentRuns: v.pipe(v.string(), v.check(isRunCount, "Write a whole number from 1 to 10,000.")),
  mayNeverExpire: v.boolean(),
});

export type WorkspaceSettingsValues = v.InferOutput<typeof WorkspaceSettingsForm>;

/** Where the API's words about a field are shown. */
export const FIELDS = ["graceHours", "maxConcurrentRuns", "mayNeverExpire"] as const;

/** The API's name of a field, as the form calls it. */
export function formPath(path: string): string {
  return path === "graceSeconds" ? "graceHours" : path;
}

export function toSettingsForm(settings: WorkspaceSettings): WorkspaceSettingsValues {
  return {
    // Fine enough for each second to come back as it was.
    graceHours: writeNumber(Number((settings.graceSeconds / HOUR_SECONDS).toFixed(4))),
    maxConcurrentRuns: writeNumber(settings.maxConcurrentRuns),
    mayNeverExpire: settings.mayNeverExpire,
  };
}

export function fromSettingsForm(form: WorkspaceSettingsValues): WorkspaceSettings {
  return {
    graceSeconds: Math.round(readNumber(form.graceHours) * HOUR_SECONDS),
    maxConcurrentRuns: readNumber(form.maxConcurrentRuns),
    mayNeverExpire: form.mayNeverExpire,
  };
}

function isGrace(text: string): boolean {
  const hours = readNumber(text);
  return hours >= 0 && hours <= GRACE_HOURS_MAX;
}

function isRunCount(text: string): boolean {
  const runs = readNumber(text);
  return Number.isInteger(runs) && runs >= 1 && runs <= CONCURRENT_RUNS_MAX;
}
