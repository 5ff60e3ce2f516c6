import { describe, expect, it } from "vitest";

import type { Cell, Column } from "@/api/types";

import { cellText, columnWidths } from "./cells";

describe("cells as text", () => {
  it.each<[Cell, Column["type"], string, string | null]>([
    [58665, "integer", "flights", "58,665"],
    [2026, "integer", "year", "2026"],
    [1234567, "integer", "order_id", "1234567"],
    [12.5, "float", "share", "12.5"],
    ["1234567.10", "decimal", "revenue", "1,234,567.10"],
    ["-1000", "decimal", "delta", "−1,000"],
    [-12.5, "float", "delta", "−12.5"],
    [null, "text", "name", null],
    [true, "boolean", "paid", "true"],
    ["2026-11-21T09:00:00", "timestamp", "at", "2026-11-21 09:00:00"],
    ["2026-11-21T09:00:00.000000Z", "timestamp_tz", "at", "2026-11-21 09:00:00Z"],
    ["2026-11-21", "date", "on", "2026-11-21"],
  ])("%j of %s %s", (cell, type, name, text) => {
    expect(cellText(cell, { name, type })).toBe(text);
  });

  it("give columns their width, within bounds", () => {
    const columns: Column[] = [
      { name: "id", type: "integer" },
      { name: "note", type: "text" },
    ];
    expect(columnWidths(columns, [[1, "x".repeat(200)]])).toEqual([6, 44]);
  });
});
