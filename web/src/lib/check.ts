/** What came of a task's condition, in words. */

import type { Check } from "@/api/types";

/** `Nothing sent: 612 rows, which is not below 500.` The numbers come from the server in words already. */
export function checkInWords({ verdict, sentence }: Check): string {
  switch (verdict) {
    case "holds":
    case "first":
      return `Sent: ${sentence}.`;
    case "does_not_hold":
      return `Nothing sent: ${sentence}.`;
    case "not_evaluated":
      return `Sent unchecked, because ${sentence}.`;
  }
}
