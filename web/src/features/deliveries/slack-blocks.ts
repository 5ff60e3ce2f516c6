/** Block Kit, as far as our messages use it, brought into what a page can show. */

import * as v from "valibot";

export type SlackBlock =
  | { kind: "header"; text: string }
  | { kind: "text"; text: string; isSmall: boolean }
  | { kind: "image"; text: string }
  | { kind: "table"; rows: string[][] }
  | { kind: "buttons"; labels: string[] };

const Text = v.object({ text: v.string() });
const Block = v.looseObject({
  type: v.string(),
  text: v.optional(Text),
  alt_text: v.optional(v.string()),
  elements: v.optional(v.array(v.looseObject({ text: v.optional(v.union([v.string(), Text])) }))),
  rows: v.optional(v.array(v.array(v.looseObject({ text: v.optional(v.string()) })))),
});
const Message = v.looseObject({ text: v.optional(v.string()), blocks: v.optional(v.array(Block)) });

/** The blocks of each message; of one without blocks, its text. */
export function blocksOf(message: unknown): SlackBlock[][] {
  const list = Array.isArray(message) ? message : [message];
  return list.flatMap((one) => {
    const read = v.safeParse(Message, one);
    if (!read.success) return [];
    const { blocks, text } = read.output;
    if (blocks && blocks.length > 0) return [blocks.flatMap(blockOf)];
    return text ? [[{ kind: "text", text, isSmall: false } as const]] : [];
  });
}

function blockOf(block: v.InferOutput<typeof Block>): SlackBlock[] {
  const texts = (block.elements ?? []).flatMap(({ text }) =>
    text === undefined ? [] : [typeof text === "string" ? text : text.text],
  );
  switch (block.type) {
    case "header":
      return [{ kind: "header", text: block.text?.text ?? "" }];
    case "image":
      return [{ kind: "image", text: block.alt_text ?? "" }];
    case "table":
      return [{ kind: "table", rows: (block.rows ?? []).map((row) => row.map(({ text }) => text ?? "")) }];
    case "actions":
      return [{ kind: "buttons", labels: texts }];
    case "context":
      return texts.map((text) => ({ kind: "text", text, isSmall: true }));
    case "divider":
      return [];
    default:
      return block.text ? [{ kind: "text", text: block.text.text, isSmall: false }] : [];
  }
}

/** Slack's mark-up as pieces: `*bold*`, links by their label, and its three escapes. */
export function pieces(mrkdwn: string): { text: string; isBold: boolean }[] {
  return mrkdwn
    .split(/(\*[^*\n]+\*)/)
    .filter((piece) => piece !== "")
    .map((piece) => {
      const isBold = piece.length > 2 && piece.startsWith("*") && piece.endsWith("*");
      return { text: plain(isBold ? piece.slice(1, -1) : piece), isBold };
    });
}

function plain(text: string): string {
  return text
    .replace(/<([^|>]*)\|([^>]*)>/g, "$2")
    .replace(/<([^>]*)>/g, "$1")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}
