import { describe, expect, it } from "vitest";

import { daysInWords, fromScheduleForm, newScheduleForm, scheduleInWords, toScheduleForm, windowEnd } from "./schedule";

const common = { windowStart: "09:00", timezone: "Europe/Berlin" };

describe("a schedule in words", () => {
  it.each([
    [{ cadence: "daily", ...common }, "Every day, 09:00 to 11:00, Europe/Berlin"],
    [
      { cadence: "weekly", weekdays: ["mon", "thu"], ...common },
      "Every Monday and Thursday, 09:00 to 11:00, Europe/Berlin",
    ],
    [
      { cadence: "monthly", dayOfMonth: 31, windowStart: "23:00", timezone: "UTC" },
      "On the last day of every month, 23:00 to 01:00, UTC",
    ],
    [{ cadence: "monthly", dayOfMonth: 12, ...common }, "On day 12 of every month, 09:00 to 11:00, Europe/Berlin"],
    [
      { cadence: "monthly", nthWeekday: { n: -1, weekday: "fri" }, ...common },
      "On the last Friday of every month, 09:00 to 11:00, Europe/Berlin",
    ],
  ])("%o", (schedule, words) => {
    expect(scheduleInWords(schedule)).toBe(words);
  });

  it("calls all seven weekdays every day", () => {
    const weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    expect(daysInWords({ cadence: "weekly", weekdays, ...common })).toBe("Every day");
  });

  it("says when no weekday is chosen", () => {
    expect(daysInWords({ cadence: "weekly", weekdays: [], ...common })).toBe("On no day yet");
  });

  it("ends the window two hours later, over midnight too", () => {
    expect(windowEnd("22:00")).toBe("00:00");
  });
});

describe("the editor's schedule", () => {
  it("sends only what belongs to the cadence", () => {
    const form = { ...newScheduleForm("UTC"), dayOfMonth: 15 };
    expect(fromScheduleForm({ ...form, cadence: "daily" })).toEqual({
      cadence: "daily",
      windowStart: "09:00",
      timezone: "UTC",
    });
    expect(fromScheduleForm({ ...form, cadence: "weekly", weekdays: ["thu", "mon"] })).toEqual({
      cadence: "weekly",
      weekdays: ["mon", "thu"],
      windowStart: "09:00",
      timezone: "UTC",
    });
    expect(fromScheduleForm({ ...form, cadence: "monthly" })).toMatchObject({ dayOfMonth: 15 });
    expect(fromScheduleForm({ ...form, cadence: "monthly", monthlyBy: "weekday", nth: -1 })).toEqual({
      cadence: "monthly",
      nthWeekday: { n: -1, weekday: "mon" },
      windowStart: "09:00",
      timezone: "UTC",
    });
  });

  it("comes back from the API as it went", () => {
    for (const schedule of [
      { cadence: "daily", ...common },
      { cadence: "weekly", weekdays: ["tue"], ...common },
      { cadence: "monthly", dayOfMonth: 3, ...common },
      { cadence: "monthly", nthWeekday: { n: 2, weekday: "sun" }, ...common },
    ]) {
      expect(fromScheduleForm(toScheduleForm(schedule))).toEqual(schedule);
    }
  });
});
