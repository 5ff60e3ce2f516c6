import { describe, expect, it } from "vitest";

import { asSentence, fieldPath, placeIssues } from "./form";

const FIELDS = ["title", "schedule.weekdays", "notification.userIds", "schedule"];

describe("what the API found wrong", () => {
  it("stands at the nearest field", () => {
    const { placed, rest } = placeIssues(
      [
        { path: "title", message: "give the task a title" },
        { path: "notification.userIds[2]", message: "is not a member" },
        { path: "schedule.weekdays[0]", message: "`moon` is not a weekday; use `mon` to `sun`" },
        { path: "schedule.timezone", message: "is not a zone" },
        { path: "condition", message: "is not offered yet" },
      ],
      FIELDS,
    );
    expect([...placed]).toEqual([
      ["title", "Give the task a title."],
      ["notification.userIds", "Is not a member."],
      ["schedule.weekdays", "“moon” is not a weekday; use “mon” to “sun”"],
      ["schedule", "Is not a zone."],
    ]);
    expect(rest).toEqual([{ path: "condition", message: "is not offered yet" }]);
  });

  it("is gathered where one field has several", () => {
    const issues = [
      { path: "title", message: "is too long" },
      { path: "title", message: "must be one line" },
    ];
    expect(placeIssues(issues, FIELDS).placed.get("title")).toBe("Is too long. Must be one line.");
  });

  it("does not take a field whose name only begins the same", () => {
    expect(placeIssues([{ path: "titles", message: "x" }], FIELDS).placed.size).toBe(0);
  });

  it("is written as a path of the form and as a sentence", () => {
    expect(fieldPath("a.b[2].c")).toBe("a.b.2.c");
    expect(asSentence("must be in the future")).toBe("Must be in the future.");
    expect(asSentence("Really?")).toBe("Really?");
  });
});
