import { describe, expect, it } from "vitest";

import { addMonths, dayInWords, durationInWords, endOfDay, instantInWords, localDate, relativeInWords } from "./time";

const NOW = new Date("2026-11-21T23:30:00Z");

describe("instants in words", () => {
  it("name the day as the reader's zone has it", () => {
    expect(dayInWords(new Date("2026-11-21T23:45:00Z"), "UTC", NOW)).toBe("Today");
    expect(dayInWords(new Date("2026-11-22T01:00:00Z"), "UTC", NOW)).toBe("Tomorrow");
    // In Berlin it is the 22nd already.
    expect(dayInWords(new Date("2026-11-22T01:00:00Z"), "Europe/Berlin", NOW)).toBe("Today");
    expect(dayInWords(new Date("2026-11-20T12:00:00Z"), "UTC", NOW)).toBe("Yesterday");
    expect(dayInWords(new Date("2026-11-24T12:00:00Z"), "UTC", NOW)).toBe("Tuesday");
  });

  it("show the clock of that zone, by 24 hours", () => {
    expect(instantInWords("2026-11-21T23:05:00Z", "UTC", NOW)).toBe("Today, 23:05");
    expect(instantInWords("2026-11-21T23:05:00Z", "Europe/Berlin", NOW)).toBe("Today, 00:05");
  });

  it("name the year only where it is another", () => {
    expect(dayInWords(new Date("2026-01-02T12:00:00Z"), "UTC", NOW)).not.toContain("2026");
    expect(dayInWords(new Date("2025-01-02T12:00:00Z"), "UTC", NOW)).toContain("2025");
  });

  it("tell how far away they are", () => {
    expect(relativeInWords("2026-11-22T01:30:00Z", NOW)).toBe("in 2 hours");
    expect(relativeInWords("2026-11-18T23:30:00Z", NOW)).toBe("3 days ago");
  });
});

describe("durations", () => {
  it.each([
    [0, "1 ms"],
    [430, "430 ms"],
    [4200, "4.2 s"],
    [61_000, "1 min 1 s"],
    [120_000, "2 min"],
  ])("%d ms", (milliseconds, words) => {
    expect(durationInWords(milliseconds)).toBe(words);
  });
});

describe("dates", () => {
  it("move by months, clamped to the month's end", () => {
    expect(addMonths(new Date("2026-08-31T12:00:00Z"), 6, "UTC")).toBe("2027-02-28");
    expect(addMonths(new Date("2026-11-21T12:00:00Z"), 6, "UTC")).toBe("2027-05-21");
  });

  it("end at the last second of the zone's day, also when clocks change", () => {
    expect(endOfDay("2026-11-21", "UTC")).toBe("2026-11-21T23:59:59.000Z");
    expect(endOfDay("2026-10-25", "Europe/Berlin")).toBe("2026-10-25T22:59:59.000Z");
    expect(endOfDay("2026-03-29", "Europe/Berlin")).toBe("2026-03-29T21:59:59.000Z");
    expect(endOfDay("2026-06-01", "Pacific/Auckland")).toBe("2026-06-01T11:59:59.000Z");
  });

  it("come back from the end of the day as they went", () => {
    expect(localDate(new Date(endOfDay("2027-05-21", "America/New_York")), "America/New_York")).toBe("2027-05-21");
  });
});
