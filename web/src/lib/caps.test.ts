import { describe, expect, it } from "vitest";

import { aboutCredits, fromCapTexts, isCap, toCapTexts } from "./caps";

describe("caps", () => {
  it("come back as they were", () => {
    for (const caps of [
      { perRun: 0.5, perMonth: 1200 },
      { perRun: null, perMonth: null },
    ]) {
      expect(fromCapTexts(toCapTexts(caps))).toEqual(caps);
    }
    expect(fromCapTexts({ perRun: " ", perMonth: "1,200" })).toEqual({ perRun: null, perMonth: 1200 });
  });

  it("are above zero, or none", () => {
    expect(["", " ", "20", "0.5", "1,000"].map(isCap)).toEqual([true, true, true, true, true]);
    expect(["0", "-1", "much", "1e3", "0.0000001"].map(isCap)).toEqual([false, false, false, false, false]);
  });

  it("tells an estimate no more exactly than it is", () => {
    expect([0.4821, 12.4, 1249.6, 0].map(aboutCredits)).toEqual(["0.48", "12", "1,250", "0"]);
  });
});
