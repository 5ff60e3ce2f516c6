/** A delivery in words. */

import type { DeliveryState } from "@/api/types";

export const WAYS: Record<string, string> = {
  email: "by email",
  slack_channel: "in a Slack channel",
  slack_dm: "by a Slack message",
  webhook: "by webhook",
};

const KINDS: Record<string, string> = {
  answer: "An answer",
  reply: "A reply in Slack",
  no_news: "The weekly note that there is no news",
  failure: "Word of a failure",
  recovery: "Word that it works again",
  still_running: "Word that a run was skipped",
  stale_data: "Word that data is old",
  expiring: "Word that the task expires",
  expired: "Word that the task expired",
  slack_ended: "Word that Slack was disconnected",
};

export function kindInWords(kind: string): string {
  return KINDS[kind] ?? "A notice";
}

const STATES: Record<DeliveryState, string> = {
  pending: "Waiting to be sent",
  sending: "Being sent",
  sent: "Sent",
  failed: "Failed",
  unknown: "Not known whether it arrived; it is being found out",
  withheld: "Withheld",
  suppressed: "Not sent",
};

export function stateInWords(state: DeliveryState): string {
  return STATES[state];
}

const OUTCOMES: Record<string, string> = {
  sent: "Sent",
  retry: "To be tried again",
  failed: "Failed",
  unknown: "Not known",
  withheld: "Withheld",
  suppressed: "Not sent",
};

/** How an attempt ended; `null` while it is under way, or where none began. */
export function outcomeInWords(outcome: string | null, startedAt: string | null): string {
  if (outcome !== null) return OUTCOMES[outcome] ?? outcome;
  return startedAt ? "Under way" : "Not begun";
}

/** `0.4 s`, `12 s`, `3 min` */
export function durationInWords(from: string, to: string): string {
  const seconds = Math.max(0, (new Date(to).getTime() - new Date(from).getTime()) / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
