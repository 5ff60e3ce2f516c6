import { expect, it } from "vitest";

import { say, toasts } from "./toast";

it("keeps what is said before anybody listens, once and in order", () => {
  say("Saved.");
  say("Sent.");
  const heard: string[] = [];
  const hearInto = (list: string[]) => (word: { options: unknown }) =>
    list.push((word.options as { description: string }).description);
  const leave = toasts[" subscribe"](hearInto(heard));
  say("Closed.");
  expect(heard).toEqual(["Saved.", "Sent.", "Closed."]);
  leave();
  const later: string[] = [];
  toasts[" subscribe"](hearInto(later));
  expect(later).toEqual([]);
});
