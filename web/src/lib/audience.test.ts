import { expect, it } from "vitest";

import { tallyInWords } from "./audience";

it("counts who sees how much, most first", () => {
  expect(tallyInWords(["link_only", "full", "full"])).toBe("2 all of it, 1 a link only");
  expect(tallyInWords([])).toBe("");
});
