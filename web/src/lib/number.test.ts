import { describe, expect, it } from "vitest";

import { amount, readNumber, writeNumber } from "./number";

it("says an amount of credits shortly, however small it is", () => {
  for (const [credits, words] of [
    [0, "0"],
    [1234.5678, "1,234.57"],
    [0.001234, "0.0012"],
    [0.000001, "0.000001"],
    [-0.100001, "\u22120.1"],
  ] as const) {
    expect(amount(credits)).toBe(words);
  }
});

describe("a number that was typed", () => {
  it("may have groups of three, a sign and decimals", () => {
    for (const [text, value] of [
      ["500", 500],
      [" 12.5 ", 12.5],
      ["-3", -3],
      ["\u22123", -3],
      ["1,000", 1000],
      ["1,234,567.25", 1_234_567.25],
      ["0", 0],
    ] as const) {
      expect(readNumber(text)).toBe(value);
    }
  });

  it("comes back as it was written", () => {
    for (const value of [0, -3, 12.5, 1_000_000_000, 9_007_199_254_740_992, 0.000_000_1]) {
      expect(readNumber(writeNumber(value))).toBe(value);
    }
  });

  it("is nothing else", () => {
    for (const text of ["", "many", "12,5", "1.000,5", "1e5", "0x10", "--1", "Infinity", "5 %"]) {
      expect(readNumber(text)).toBeNaN();
    }
  });
});
