import { expect, it } from "vitest";

import { blocksOf, pieces } from "./slack-blocks";

it("reads the blocks that our messages are made of", () => {
  const message = {
    channel: "C1",
    text: "Flights",
    blocks: [
      { type: "header", text: { type: "plain_text", text: "Flights" } },
      { type: "section", text: { type: "mrkdwn", text: "*United* leads" } },
      { type: "image", alt_text: "A bar chart", slack_file: { id: "F1" } },
      { type: "context", elements: [{ type: "mrkdwn", text: "As of today" }] },
      { type: "actions", elements: [{ type: "button", text: { type: "plain_text", text: "Open" } }] },
    ],
  };
  expect(blocksOf(message)).toEqual([
    [
      { kind: "header", text: "Flights" },
      { kind: "text", text: "*United* leads", isSmall: false },
      { kind: "image", text: "A bar chart" },
      { kind: "text", text: "As of today", isSmall: true },
      { kind: "buttons", labels: ["Open"] },
    ],
  ]);
  expect(blocksOf([message, { text: "More" }])).toHaveLength(2);
  expect(blocksOf(null)).toEqual([]);
});

it("shows mark-up as text, and links by their label", () => {
  expect(pieces("*United* has <https://a.test|58,665> &lt;b&gt;")).toEqual([
    { text: "United", isBold: true },
    { text: " has 58,665 <b>", isBold: false },
  ]);
});
