/** Instants in words, in the reader's time zone. */

const locale = typeof navigator !== "undefined" && navigator.language.startsWith("en") ? navigator.language : "en-GB";

/** The time zone that the reader's browser is set to. */
export function browserZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(instant: Date, zone: string, options: Intl.DateTimeFormatOptions): string {
  const key = zone + JSON.stringify(options);
  let formatter = formats.get(key);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat(locale, { timeZone: zone, hourCycle: "h23", ...options });
    formats.set(key, formatter);
  }
  return formatter.format(instant);
}

/** The local date of an instant as `YYYY-MM-DD`. */
export function localDate(instant: Date, zone: string): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" }).format(instant);
}

function dayNumber(instant: Date, zone: string): number {
  return Date.parse(`${localDate(instant, zone)}T00:00:00Z`) / 86_400_000;
}

/** `09:00` */
export function clockTime(iso: string, zone: string): string {
  return format(new Date(iso), zone, { hour: "2-digit", minute: "2-digit" });
}

/** `Mon, 23 Nov 2026, 09:00 GMT+1`: nothing left to guess. */
export function exactInstant(iso: string, zone: string): string {
  return format(new Date(iso), zone, {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  });
}

/** `Today, 09:00`, `Yesterday, 17:12`, `Monday, 09:00`, `23 Nov, 09:00`, `23 Nov 2025, 09:00`. */
export function instantInWords(iso: string, zone: string, now: Date): string {
  const instant = new Date(iso);
  return `${dayInWords(instant, zone, now)}, ${clockTime(iso, zone)}`;
}

/** `Today`, `Tomorrow`, `Monday`, `23 Nov`, `23 Nov 2025`. */
export function dayInWords(instant: Date, zone: string, now: Date): string {
  const days = dayNumber(instant, zone) - dayNumber(now, zone);
  if (days === 0) return "Today";
  if (days === 1) return "Tomorrow";
  if (days === -1) return "Yesterday";
  if (Math.abs(days) < 7) return format(instant, zone, { weekday: "long" });
  const sameYear = localDate(instant, zone).slice(0, 4) === localDate(now, zone).slice(0, 4);
  return format(instant, zone, { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) });
}

/** A date without a zone (`2026-11-23`) as `Mon 23 Nov 2026`. */
export function dateInWords(date: string): string {
  const instant = new Date(`${date}T00:00:00Z`);
  const parts: Intl.DateTimeFormatOptions = { weekday: "short", day: "numeric", month: "short", year: "numeric" };
  return format(instant, "UTC", parts);
}

/** `0.4 s`, `12 s`, `3 min 20 s`. */
export function durationInWords(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 1) return `${Math.max(1, Math.round(milliseconds))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = Math.round(seconds - minutes * 60);
  return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
}

/** `in 3 days`, `2 hours ago`. */
export function relativeInWords(iso: string, now: Date): string {
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const minutes = Math.round((Date.parse(iso) - now.getTime()) / 60_000);
  if (Math.abs(minutes) < 60) return relative.format(minutes, "minute");
  if (Math.abs(minutes) < 48 * 60) return relative.format(Math.round(minutes / 60), "hour");
  const days = Math.round(minutes / 1440);
  if (Math.abs(days) < 60) return relative.format(days, "day");
  return relative.format(Math.round(days / 30.4), "month");
}

/** The date `months` months after an instant, clamped to the month's end, as `YYYY-MM-DD` in a zone. */
export function addMonths(from: Date, months: number, zone: string): string {
  const [year = 0, month = 1, day = 1] = localDate(from, zone).split("-").map(Number);
  const lastDay = new Date(Date.UTC(year, month - 1 + months + 1, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 + months, Math.min(day, lastDay))).toISOString().slice(0, 10);
}

/** The last instant of a local date, to the second: when something that expires "on" that date does. */
export function endOfDay(date: string, zone: string): string {
  const target = `${date} 23:59:59`;
  // A first guess in UTC, corrected by what the wall shows then; twice, for a transition in between.
  let instant = Date.parse(`${date}T23:59:59Z`);
  for (let pass = 0; pass < 2; pass += 1) {
    const wall = wallClock(new Date(instant), zone);
    instant += Date.parse(`${target.replace(" ", "T")}Z`) - Date.parse(`${wall.replace(" ", "T")}Z`);
  }
  return new Date(instant).toISOString();
}

function wallClock(instant: Date, zone: string): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" }).format(instant);
}
