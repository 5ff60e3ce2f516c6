import { describe, expect, it } from "vitest";

import type { Figure } from "@/api/types";

import { figurePieces, fillFigures, rehypeFigures } from "./figure";

function figure(id: string, text: string): Figure {
  return { id, text, checked: true, expression: null, cells: [] };
}

const FIGURES = [figure("f1", "58,665"), figure("f2", "12%")];

describe("figures in a text", () => {
  it("are filled in, and unknown markers stay", () => {
    expect(fillFigures("United: {{f1}} ({{f2}} up), {{f9}} {{ and {{f2}}", FIGURES)).toBe(
      "United: 58,665 (12% up), {{f9}} {{ and 12%",
    );
    expect(fillFigures("{{f1}}", FIGURES)).toBe("58,665");
    expect(fillFigures("", FIGURES)).toBe("");
  });

  it("are pieces of their own", () => {
    expect(figurePieces("a {{f1}}{{f2}}", FIGURES).map(({ type }) => type)).toEqual(["text", "figure", "figure"]);
  });

  it("become elements in a markdown tree, wherever the text stands", () => {
    const strong = { type: "element", tagName: "strong", children: [{ type: "text", value: "{{f1}} flights" }] };
    const tree = { type: "root", children: [strong, { type: "text", value: " and {{f9}}" }] };
    rehypeFigures(FIGURES)()(tree);
    expect(tree.children[0]).toEqual({
      type: "element",
      tagName: "strong",
      children: [
        { type: "element", tagName: "figure-link", properties: { id: "f1" }, children: [] },
        { type: "text", value: " flights" },
      ],
    });
    expect(tree.children[1]).toEqual({ type: "text", value: " and {{f9}}" });
  });
});
