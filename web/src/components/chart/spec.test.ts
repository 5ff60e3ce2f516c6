import type { Spec } from "vega";
import { describe, expect, it } from "vitest";

import { adapt, heading, plotHeight, rowsOf } from "./spec";

const bar = {
  width: 600,
  height: 350,
  background: "#ffffff",
  padding: { left: 16, top: 16, right: 20, bottom: 14 },
  title: { text: ["Flights by", "origin"], subtitle: ["Minutes"] },
  usermeta: { layout: "fit", dark: { "#0b7285": "#74c7d1" } },
  data: [{ name: "rows", values: [{ origin: "#0b7285", flights: 3 }, { origin: null, flights: 4.5 }] }],
  marks: [{ type: "rect", encode: { update: { fill: { value: "#0b7285" } } } }],
  config: { style: { "guide-label": { font: "Inter, sans-serif" } } },
} as unknown as Spec;

const cells = {
  ...bar,
  width: undefined,
  usermeta: { layout: "cells", columns: 3, cellWidth: 157, around: 129, dark: {} },
  layout: { columns: { signal: "cell_columns" }, padding: 20 },
  signals: [
    { name: "child_width", value: 157 },
    { name: "child_height", value: 150 },
    { name: "cell_columns", value: 3 },
  ],
} as unknown as Spec;

describe("adapt", () => {
  it("takes the width there is and gives the title to the page", () => {
    const adapted = adapt(bar, 350, { width: 320, isDark: false });
    expect(adapted).toMatchObject({ width: 320, background: null });
    expect(adapted).not.toHaveProperty("title");
    expect(adapted.height).toBe(plotHeight(bar, 350));
    expect(plotHeight(bar, 350)).toBe(350 - (14 + 40 + 16) - (30 - 8));
  });

  it("turns colours and the font, but no cell", () => {
    const adapted = adapt(bar, 350, { width: 600, isDark: true });
    expect(JSON.stringify(adapted.marks)).toContain("#74c7d1");
    expect(JSON.stringify(adapted.config)).toContain("Inter Variable");
    expect(adapted.data).toEqual(bar.data);
    expect(JSON.stringify(adapt(bar, 350, { width: 600, isDark: false }).marks)).toContain("#0b7285");
  });

  it("moves cells to the next row where there is no room for them", () => {
    const columns = (width: number) => adapt(cells, 261, { width, isDark: false }).signals?.[2];
    expect(columns(600)).toEqual({ name: "cell_columns", value: 3 });
    expect(columns(400)).toEqual({ name: "cell_columns", value: 2 });
    expect(columns(250)).toEqual({ name: "cell_columns", value: 1 });
    const wide = adapt(cells, 261, { width: 900, isDark: false });
    expect(wide.signals?.[0]).toEqual({ name: "child_width", value: Math.floor((900 - (129 - 28)) / 3) });
    expect(wide.signals?.[1]).toEqual({ name: "child_height", value: 150 });
  });
});

describe("what the page writes itself", () => {
  it("joins the lines of the title", () => {
    expect(heading(bar)).toEqual({ title: "Flights by origin", subtitle: "Minutes" });
    expect(heading({})).toEqual({ title: "", subtitle: "" });
  });

  it("reads the rows for the table", () => {
    expect(rowsOf(bar)).toEqual({ columns: ["origin", "flights"], rows: [["#0b7285", "3"], ["", "4.5"]] });
    expect(rowsOf({})).toEqual({ columns: [], rows: [] });
  });
});
