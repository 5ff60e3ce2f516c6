import { describe, expect, it } from "vitest";

import type { Check } from "@/api/types";

import { checkInWords } from "./check";

const CHECK: Check = {
  verdict: "does_not_hold",
  sentence: "612 rows, which is not below 500",
  compared: "the rows of r1",
  value: 612,
  previous: null,
  resultId: null,
  handle: "r1",
  column: null,
};

describe("what came of a condition", () => {
  it("is told with its numbers", () => {
    expect(checkInWords(CHECK, "no_news")).toBe("Nothing sent: 612 rows, which is not below 500.");
    expect(checkInWords({ ...CHECK, verdict: "holds", sentence: "revenue 412 is below 500" }, "succeeded")).toBe(
      "Sent: revenue 412 is below 500.",
    );
  });

  it("is no reason to keep a test back", () => {
    expect(checkInWords(CHECK, "succeeded")).toBe(
      "Sent as a test; otherwise nothing would be: 612 rows, which is not below 500.",
    );
  });

  it("says of a backtest what would have been", () => {
    expect(checkInWords({ ...CHECK, verdict: "holds" }, "succeeded", "backtest")).toMatch(/^Would have been sent: /);
    expect(checkInWords(CHECK, "no_news", "backtest")).toMatch(/^Nothing would have been sent: /);
  });

  it("says why what could not be compared was sent", () => {
    const first = "revenue 412, and there is no earlier run to compare with";
    expect(checkInWords({ ...CHECK, verdict: "first", sentence: first }, "succeeded")).toBe(`Sent: ${first}.`);
    expect(checkInWords({ ...CHECK, verdict: "not_evaluated", sentence: "r1 has no rows" }, "succeeded")).toBe(
      "Sent unchecked, because r1 has no rows.",
    );
  });
});
