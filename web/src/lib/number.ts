const whole = new Intl.NumberFormat("en");

/** `58,665` */
export function count(value: number): string {
  return whole.format(value);
}

/** `1 row`, `2 rows` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${whole.format(value)} ${value === 1 ? one : many}`;
}

const fromOne = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const belowOne = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

/** An amount of credits, short: `1,234.5`, `0.0012`. */
export function amount(credits: number): string {
  return (Math.abs(credits) < 1 ? belowOne : fromOne).format(credits).replace("-", "\u2212");
}

/** A number as people write it: `500`, `-12.5`, `1,000`. NaN where it is none. */
export function readNumber(text: string): number {
  const trimmed = text.trim().replace("\u2212", "-");
  return /^-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?$/.test(trimmed) ? Number(trimmed.replaceAll(",", "")) : NaN;
}

const plain = new Intl.NumberFormat("en", { useGrouping: false, maximumFractionDigits: 20 });

/** A number to go on typing at; {@link readNumber} reads it back. */
export function writeNumber(value: number): string {
  return plain.format(value);
}

/** `12.4 kB` */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  const units = ["kB", "MB", "GB"];
  let scaled = value;
  let unit = -1;
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${units[unit] ?? "B"}`;
}
