/** How a way to Slack's page and back went, as the address says it, in words. */

export type SlackOutcome = keyof typeof WORDS;

const WORDS = {
  done: null,
  expired: "That took too long, or was begun in another window. Begin again.",
  denied: "Nothing was changed: you did not allow it in Slack.",
  not_admin: "Only an admin can connect Slack.",
  team_taken:
    "This Slack team is connected with another workspace of Tidings. A team can be connected with one workspace at a time.",
  other_team: "That is another Slack team than the one that this workspace is connected with.",
  user_taken: "This Slack user is linked with somebody else here. They can unlink it in their settings.",
  not_connected: "Slack is not connected to this workspace any more.",
  busy: "Slack wants to be asked less often for now. Try again in a few minutes.",
  refused: "Slack did not finish it. Try again in a moment.",
  failed: "Something went wrong on our side. Try again in a moment.",
} as const;

export const SLACK_OUTCOMES = Object.keys(WORDS) as SlackOutcome[];

/** What went wrong; null where all went well. */
export function slackProblem(outcome: SlackOutcome): string | null {
  return WORDS[outcome];
}
