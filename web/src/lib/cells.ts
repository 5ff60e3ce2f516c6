/** Cells of results as text. */

import type { Cell, Column, ColumnType } from "@/api/types";

const NUMERIC: readonly ColumnType[] = ["integer", "float", "decimal"];
const integers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const floats = new Intl.NumberFormat("en", { maximumSignificantDigits: 12 });

export function isNumeric(type: ColumnType): boolean {
  return NUMERIC.includes(type);
}

/** A cell as it is shown. `null` for NULL. Years and other unit-less small integers keep no separator under 10,000. */
export function cellText(cell: Cell, column: Column): string | null {
  if (cell === null) return null;
  if (typeof cell === "boolean") return cell ? "true" : "false";
  if (typeof cell === "number") return withMinus(numberText(cell, column));
  if (column.type === "decimal") return withMinus(decimalText(cell));
  if (column.type === "timestamp") return cell.replace("T", " ").replace(/\.0+$/, "");
  if (column.type === "timestamp_tz") return cell.replace("T", " ").replace(/\.0+Z$/, "Z");
  return cell;
}

function numberText(value: number, column: Column): string {
  if (column.type === "float") return floats.format(value);
  // A year or an identifier reads wrongly as `2,026`.
  if (/(^|_)(year|id|key|code|zip)$/i.test(column.name)) return String(value);
  return integers.format(value);
}

/** A hyphen is too short for a minus, and no digit wide. */
function withMinus(text: string): string {
  return text.replace(/^-/, "−");
}

/** An exact decimal with its thousands separated, every digit kept. */
function decimalText(text: string): string {
  const match = /^(-?)(\d+)(\.\d+)?$/.exec(text);
  if (!match) return text;
  const [, sign = "", whole = "", fraction = ""] = match;
  return sign + whole.replace(/\B(?=(\d{3})+$)/g, ",") + fraction;
}

/** How wide columns should be, in characters, from what is in their first rows. */
export function columnWidths(columns: Column[], rows: Cell[][]): number[] {
  return columns.map((column, index) => {
    let widest = column.name.length + 2;
    for (const row of rows.slice(0, 100)) {
      widest = Math.max(widest, (cellText(row[index] ?? null, column) ?? "null").length);
    }
    return Math.min(Math.max(widest, 6), 44);
  });
}
