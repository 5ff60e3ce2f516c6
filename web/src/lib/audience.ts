/** How much of a message somebody sees and how they are told, in words. */

import type { MemberReach } from "@/api/types";

import { joinWords } from "./schedule";

export type AudienceWord = "full" | "link_only" | "withheld";

export const AUDIENCE_WORDS: Record<AudienceWord, string> = {
  full: "All of it",
  link_only: "A link only",
  withheld: "Nothing",
};

/** The colour that goes with how much is shown. */
export const AUDIENCE_TONE: Record<AudienceWord, string> = {
  full: "text-ink",
  link_only: "text-warn",
  withheld: "text-bad",
};

export const WAY_WORDS: Record<string, string> = {
  email: "by email",
  slack_dm: "by a Slack message",
  slack_channel: "in Slack",
  webhook: "by webhook",
};

/** Why it is by email although Slack is preferred. */
export const FALLBACK_WORDS: Record<string, string> = {
  slack_not_linked: "since their Slack account is not linked",
  slack_not_connected: "since Slack is not connected to this workspace",
};

/** How somebody is told: `By email and a Slack message` */
export function reachInWords({ ways, fallback, untold }: Pick<MemberReach, "ways" | "fallback" | "untold">): string {
  if (untold !== null) return untold;
  const words = joinWords(ways.map((way) => WAY_WORDS[way] ?? way)).replaceAll(" by ", " ");
  const why = fallback ? `, ${FALLBACK_WORDS[fallback] ?? fallback}` : "";
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${why}`;
}

/** `3 all of it, 1 a link only` */
export function tallyInWords(audiences: AudienceWord[]): string {
  const order: AudienceWord[] = ["full", "link_only", "withheld"];
  return order
    .map((word) => ({ word, many: audiences.filter((one) => one === word).length }))
    .filter(({ many }) => many > 0)
    .map(({ word, many }) => `${many} ${AUDIENCE_WORDS[word].toLowerCase()}`)
    .join(", ");
}
