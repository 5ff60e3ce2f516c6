/** Schedules as the editor holds them, as the API takes them, and in words. */

import type { Schedule, Weekday } from "@/api/types";

export const WEEKDAYS: readonly Weekday[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

export const WEEKDAY_NAMES: Record<Weekday, string> = {
  mon: "Monday",
  tue: "Tuesday",
  wed: "Wednesday",
  thu: "Thursday",
  fri: "Friday",
  sat: "Saturday",
  sun: "Sunday",
};

export const NTH_NAMES: Record<number, string> = { 1: "first", 2: "second", 3: "third", 4: "fourth", [-1]: "last" };

/** Every choice at once, so that switching the cadence back and forth loses nothing. */
export interface ScheduleForm {
  cadence: "daily" | "weekly" | "monthly";
  weekdays: Weekday[];
  monthlyBy: "day" | "weekday";
  dayOfMonth: number;
  nth: number;
  nthWeekday: Weekday;
  windowStart: string;
  timezone: string;
}

export function newScheduleForm(timezone: string): ScheduleForm {
  return {
    cadence: "weekly",
    weekdays: ["mon"],
    monthlyBy: "day",
    dayOfMonth: 1,
    nth: 1,
    nthWeekday: "mon",
    windowStart: "09:00",
    timezone,
  };
}

export function toScheduleForm(schedule: Schedule): ScheduleForm {
  const form = newScheduleForm(schedule.timezone);
  form.cadence = schedule.cadence as ScheduleForm["cadence"];
  form.windowStart = schedule.windowStart;
  if (schedule.weekdays) form.weekdays = schedule.weekdays as Weekday[];
  if (schedule.dayOfMonth != null) form.dayOfMonth = schedule.dayOfMonth;
  if (schedule.nthWeekday) {
    form.monthlyBy = "weekday";
    form.nth = schedule.nthWeekday.n;
    form.nthWeekday = schedule.nthWeekday.weekday as Weekday;
  }
  return form;
}

/** What the API takes: only the fields that belong to the cadence. */
export function fromScheduleForm(form: ScheduleForm): Schedule {
  const common = { cadence: form.cadence, windowStart: form.windowStart, timezone: form.timezone };
  if (form.cadence === "daily") return common;
  if (form.cadence === "weekly") {
    return { ...common, weekdays: WEEKDAYS.filter((weekday) => form.weekdays.includes(weekday)) };
  }
  if (form.monthlyBy === "day") return { ...common, dayOfMonth: form.dayOfMonth };
  return { ...common, nthWeekday: { n: form.nth, weekday: form.nthWeekday } };
}

/** `09:00` to `11:00`. */
export function windowEnd(windowStart: string): string {
  return `${String((Number(windowStart.slice(0, 2)) + 2) % 24).padStart(2, "0")}:00`;
}

/** The days only: `Every Monday and Thursday`. The server says it in the same words. */
export function daysInWords(schedule: Schedule): string {
  if (schedule.cadence === "daily" || schedule.weekdays?.length === 7) return "Every day";
  if (schedule.cadence === "weekly") {
    const names = (schedule.weekdays ?? []).map((weekday) => WEEKDAY_NAMES[weekday as Weekday]);
    return names.length ? `Every ${joinWords(names)}` : "On no day yet";
  }
  if (schedule.nthWeekday) {
    const { n, weekday } = schedule.nthWeekday;
    return `On the ${NTH_NAMES[n] ?? ""} ${WEEKDAY_NAMES[weekday as Weekday]} of every month`;
  }
  if (schedule.dayOfMonth === 31) return "On the last day of every month";
  return `On day ${schedule.dayOfMonth ?? 1} of every month`;
}

export function scheduleInWords(schedule: Schedule): string {
  const { windowStart, timezone } = schedule;
  return `${daysInWords(schedule)}, ${windowStart} to ${windowEnd(windowStart)}, ${timezone}`;
}

export function joinWords(words: string[], conjunction = "and"): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${conjunction} ${words.at(-1) ?? ""}`;
}
