/** Figures in an answer's text: `{{f1}}` stands where a number, date or name that is in the data is shown. */

import type { Figure } from "@/api/types";

export type FigurePiece = { type: "text"; text: string } | { type: "figure"; figure: Figure };

const MARKER = /\{\{([a-z0-9]+)\}\}/g;

/** Splits a text at its figures. A marker of no known figure stays prose. */
export function figurePieces(text: string, figures: Figure[]): FigurePiece[] {
  const pieces: FigurePiece[] = [];
  let end = 0;
  for (const match of text.matchAll(MARKER)) {
    const figure = figures.find(({ id }) => id === match[1]);
    if (!figure) continue;
    if (match.index > end) pieces.push({ type: "text", text: text.slice(end, match.index) });
    pieces.push({ type: "figure", figure });
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push({ type: "text", text: text.slice(end) });
  return pieces;
}

/** The text with each figure's text in place. */
export function fillFigures(text: string, figures: Figure[]): string {
  return figurePieces(text, figures)
    .map((piece) => (piece.type === "text" ? piece.text : piece.figure.text))
    .join("");
}

/** A node of a markdown tree, as far as figures are concerned. */
interface MarkdownNode {
  type: string;
  tagName?: string;
  value?: string;
  properties?: Record<string, unknown>;
  children?: MarkdownNode[];
}

/**
 * A rehype plugin, to run after sanitising: replaces markers in text by `<figure-link id>` elements, which the renderer
 * maps to buttons. Text of an answer cannot make such an element by itself, since the sanitiser drops it.
 */
export function rehypeFigures(figures: Figure[]) {
  return () => (tree: MarkdownNode) => replaceMarkers(tree, figures);
}

function replaceMarkers(node: MarkdownNode, figures: Figure[]): void {
  if (!node.children) return;
  node.children = node.children.flatMap((child): MarkdownNode[] => {
    if (child.type !== "text") {
      replaceMarkers(child, figures);
      return [child];
    }
    return figurePieces(child.value ?? "", figures).map((piece) =>
      piece.type === "text"
        ? { type: "text", value: piece.text }
        : { type: "element", tagName: "figure-link", properties: { id: piece.figure.id }, children: [] },
    );
  });
}
