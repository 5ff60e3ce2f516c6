import type { Spec } from "vega";

/** What the server says about a chart's layout, in `usermeta`. */
interface Meta {
  /** `fit`: one plot fills the picture. `cells`: small multiples, side by side. */
  layout: "fit" | "cells";
  columns?: number;
  cellWidth?: number;
  /** What stands around the cells, in pixels. */
  around?: number;
  /** Colours of the light look to those of the dark one. */
  dark: Record<string, string>;
}

interface Look {
  /** The room there is, in pixels. */
  width: number;
  isDark: boolean;
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type JsonObject = Record<string, Json>;

const PADDING = { left: 0, top: 4, right: 8, bottom: 4 };
/** Narrower than this, cells move to the next row. */
const LEAST_CELL = 140;

/** The lines above the plot, which the page writes itself, so that they wrap and can be selected. */
export function heading(spec: Spec): { title: string; subtitle: string } {
  const title = object((spec as unknown as JsonObject).title);
  return { title: lines(title.text), subtitle: lines(title.subtitle) };
}

/** The height of the chart without those lines, at the width that it was made for. */
export function plotHeight(spec: Spec, height: number): number {
  const { text, subtitle } = object((spec as unknown as JsonObject).title);
  const rows = (part: Json | undefined) => (Array.isArray(part) ? part.length : part ? 1 : 0);
  const head = rows(text) + rows(subtitle) > 0 ? 14 + 20 * rows(text) + 16 * rows(subtitle) : 0;
  const padding = object((spec as unknown as JsonObject).padding);
  const saved = number(padding.top) + number(padding.bottom) - PADDING.top - PADDING.bottom;
  return Math.max(120, height - head - saved);
}

/**
 * The server's chart for the page: as wide as there is room, without its title, in the page's font, and in the dark look
 * where that is wanted. The rows stay as they are.
 */
export function adapt(spec: Spec, height: number, { width, isDark }: Look): Spec {
  const { data, usermeta, ...rest } = spec as unknown as JsonObject;
  const meta = usermeta as unknown as Meta | undefined;
  delete rest.title;
  const colours = isDark ? (meta?.dark ?? {}) : {};
  const adapted = replace(rest, (text) =>
    text === "Inter, sans-serif" ? '"Inter Variable", Inter, sans-serif' : (colours[text.toLowerCase()] ?? text),
  ) as JsonObject;
  const before = object((spec as unknown as JsonObject).padding);
  adapted.background = null;
  adapted.padding = PADDING;
  adapted.data = data ?? [];
  if (meta?.layout === "cells") {
    fitCells(adapted, meta, width, number(before.left) + number(before.right) - PADDING.left - PADDING.right);
  } else {
    adapted.width = width;
    adapted.height = plotHeight(spec, height);
  }
  return adapted;
}

/** As many cells side by side as there is room for. */
function fitCells(spec: JsonObject, meta: Meta, width: number, saved: number) {
  const signals = Array.isArray(spec.signals) ? spec.signals : [];
  const most = meta.columns ?? 1;
  const around = (meta.around ?? 0) - saved;
  const gap = number(object(spec.layout).padding);
  const canWrap = signals.some((signal) => object(signal).name === "cell_columns");
  const columns = canWrap ? Math.min(most, Math.max(1, Math.floor((width - around) / LEAST_CELL))) : most;
  const cellWidth = Math.max(60, Math.floor((width - around + (most - columns) * gap) / columns));
  const values: Record<string, number> = { cell_columns: columns, child_width: cellWidth };
  spec.signals = signals.map((signal) => {
    const { name } = object(signal);
    return typeof name === "string" && name in values ? { name, value: values[name] ?? 0 } : signal;
  });
}

function replace(value: Json, text: (value: string) => string): Json {
  if (typeof value === "string") return text(value);
  if (Array.isArray(value)) return value.map((item) => replace(item, text));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replace(item, text)]));
}

function object(value: Json | undefined): JsonObject {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
}

function number(value: Json | undefined): number {
  return typeof value === "number" ? value : 0;
}

function lines(text: Json | undefined): string {
  if (Array.isArray(text)) return text.filter((line) => typeof line === "string").join(" ");
  return typeof text === "string" ? text : "";
}

/** The rows of a chart, for those who cannot be shown the picture: names of columns, and cells as text. */
export function rowsOf(spec: Spec): { columns: string[]; rows: string[][] } {
  const [source] = ((spec as unknown as JsonObject).data ?? []) as JsonObject[];
  const values = Array.isArray(source?.values) ? source.values.map((row) => object(row)) : [];
  const columns = Object.keys(values[0] ?? {});
  const rows = values.map((row) => columns.map((column) => cell(row[column])));
  return { columns, rows };
}

function cell(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
