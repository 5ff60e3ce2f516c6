/** Time zones to choose from, with what their clocks show against UTC now. */

export interface Zone {
  /** IANA name: `Europe/Berlin`. */
  name: string;
  /** As people read it: `Europe/Berlin`, underscores as spaces. */
  label: string;
  /** `UTC+01:00`. */
  offset: string;
}

/** `New York` of `America/New_York`: enough where the whole name is a hover away. */
export function zoneCity(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1).replaceAll("_", " ");
}

export function zoneOffset(name: string, now: Date): string {
  const part = new Intl.DateTimeFormat("en", { timeZone: name, timeZoneName: "longOffset" })
    .formatToParts(now)
    .find(({ type }) => type === "timeZoneName");
  const offset = part?.value.replace("GMT", "UTC") ?? "UTC";
  return offset === "UTC" ? "UTC+00:00" : offset;
}

/** `first` (the reader's own zone, say) at the top, then UTC, then all by name. */
export function allZones(first: string[], now: Date): Zone[] {
  const names = new Set([...first, "UTC", ...Intl.supportedValuesOf("timeZone")]);
  return [...names].filter(isZone).map((name) => ({
    name,
    label: name.replaceAll("_", " "),
    offset: zoneOffset(name, now),
  }));
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
