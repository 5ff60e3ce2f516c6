import { describe, expect, it } from "vitest";

import { ageInWords, freshnessInWords, splitAge, UNIT_MINUTES } from "./freshness";

describe("how old data may be", () => {
  it("is written in the largest unit that leaves no rest", () => {
    expect(ageInWords(1)).toBe("1 minute");
    expect(ageInWords(45)).toBe("45 minutes");
    expect(ageInWords(60)).toBe("1 hour");
    expect(ageInWords(90)).toBe("90 minutes");
    expect(ageInWords(1440)).toBe("24 hours");
    expect(ageInWords(2880)).toBe("2 days");
    expect(ageInWords(525_600)).toBe("365 days");
  });

  it("is split and put together without loss", () => {
    for (const minutes of [1, 59, 60, 61, 1440, 1500, 2880, 4320, 525_600]) {
      const { amount, unit } = splitAge(minutes);
      expect(amount * UNIT_MINUTES[unit]).toBe(minutes);
    }
  });

  it("is told with its table and column", () => {
    expect(freshnessInWords({ table: "orders", column: "loaded_at", maxAgeMinutes: 1440 })).toBe(
      "orders.loaded_at at most 24 hours old",
    );
  });
});
