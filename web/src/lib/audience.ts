/** How much of a message somebody sees, in words. */

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

/** `3 all of it, 1 a link only` */
export function tallyInWords(audiences: AudienceWord[]): string {
  const order: AudienceWord[] = ["full", "link_only", "withheld"];
  return order
    .map((word) => ({ word, many: audiences.filter((one) => one === word).length }))
    .filter(({ many }) => many > 0)
    .map(({ word, many }) => `${many} ${AUDIENCE_WORDS[word].toLowerCase()}`)
    .join(", ");
}
