/** What came of a task's condition, in words. */

import type { Check, Run } from "@/api/types";

/**
 * `Nothing sent: 612 rows, which is not below 500.` The numbers come from the server in words already. A test is sent
 * whatever came of it: then the run is no `no_news`. Of a backtest nothing is sent.
 */
export function checkInWords({ verdict, sentence }: Check, status: Run["status"], trigger?: Run["trigger"]): string {
  if (trigger === "backtest") {
    return `${verdict === "does_not_hold" ? "Nothing would have been sent" : "Would have been sent"}: ${sentence}.`;
  }
  switch (verdict) {
    case "holds":
    case "first":
      return `Sent: ${sentence}.`;
    case "does_not_hold":
      return status === "no_news"
        ? `Nothing sent: ${sentence}.`
        : `Sent as a test; otherwise nothing would be: ${sentence}.`;
    case "not_evaluated":
      return `Sent unchecked, because ${sentence}.`;
  }
}
