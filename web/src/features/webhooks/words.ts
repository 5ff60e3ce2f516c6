import type { Webhook, WebhookEvent } from "@/api/types";

/** What one can be told of, with what it means. A test is sent when asked for. */
export const EVENTS: readonly (readonly [event: WebhookEvent, words: string])[] = [
  ["run.finished", "A run ended with an answer"],
  ["run.failed", "A run failed"],
  ["run.skipped", "A run was skipped, such as for data that was not fresh"],
  ["run.missed", "A run was missed: it never started"],
  ["delivery.failed", "A message was given up"],
  ["task.paused", "A task was paused"],
  ["task.expired", "A task expired"],
];

export const OFF_WORDS: Record<NonNullable<Webhook["offReason"]>, string> = {
  by_admin: "Switched off",
  failing: "Switched off: it answered nothing well for five days",
  gone: "Switched off: it answered that it is gone (410)",
};
