import { expect, it } from "vitest";

import { reachInWords, tallyInWords } from "./audience";

it("counts who sees how much, most first", () => {
  expect(tallyInWords(["link_only", "full", "full"])).toBe("2 all of it, 1 a link only");
  expect(tallyInWords([])).toBe("");
});

it("says how somebody is told, and why they are not", () => {
  const told = { ways: ["email" as const], fallback: null, untold: null };
  expect(reachInWords(told)).toBe("By email");
  expect(reachInWords({ ...told, ways: ["email", "slack_dm"] })).toBe("By email and a Slack message");
  expect(reachInWords({ ...told, fallback: "slack_not_linked" })).toBe(
    "By email, since their Slack account is not linked",
  );
  expect(reachInWords({ ways: [], fallback: null, untold: "Is deactivated, and is not told." })).toBe(
    "Is deactivated, and is not told.",
  );
});
