/** Mentions inside a prompt: `@[label](kind:id)`. A rename changes the label that is shown, never the id that is kept. */

export type MentionKind = "connection" | "semantic_model" | "project";

export interface Mention {
  kind: MentionKind;
  id: string;
  label: string;
}

export type PromptPiece = { type: "text"; text: string } | ({ type: "mention" } & Mention);

const MENTION = /@\[([^\n[]*?)\]\((connection|semantic_model|project):([0-9a-fA-F-]{36})\)/g;

/** Splits a prompt at its mentions. */
export function promptPieces(prompt: string): PromptPiece[] {
  const pieces: PromptPiece[] = [];
  let end = 0;
  for (const match of prompt.matchAll(MENTION)) {
    const [whole, label = "", kind = "connection", id = ""] = match;
    if (match.index > end) pieces.push({ type: "text", text: prompt.slice(end, match.index) });
    pieces.push({ type: "mention", kind: kind as MentionKind, id, label });
    end = match.index + whole.length;
  }
  if (end < prompt.length) pieces.push({ type: "text", text: prompt.slice(end) });
  return pieces;
}

/** Writes a mention. Brackets and line breaks in a label would end it early, so they are replaced. */
export function writeMention({ kind, id, label }: Mention): string {
  const safe = label.replaceAll("[", "(").replaceAll("]", ")").replaceAll(/\s+/g, " ").trim();
  return `@[${safe}](${kind}:${id})`;
}

export function mentionsOf(prompt: string): Mention[] {
  return promptPieces(prompt).flatMap((piece) =>
    piece.type === "mention" ? [{ kind: piece.kind, id: piece.id, label: piece.label }] : [],
  );
}

/** The prompt as it is read: labels in place of mentions. */
export function plainPrompt(prompt: string): string {
  return promptPieces(prompt)
    .map((piece) => (piece.type === "text" ? piece.text : piece.label))
    .join("");
}

/** A node of the editor's document. */
export interface PromptNode {
  type?: string;
  text?: string;
  attrs?: Record<string, unknown>;
  content?: PromptNode[];
}

/** A prompt as the editor's document: a paragraph a line. */
export function toPromptDocument(prompt: string): PromptNode {
  const paragraphs: PromptNode[] = [{ type: "paragraph", content: [] }];
  for (const piece of promptPieces(prompt)) {
    if (piece.type === "mention") {
      const { kind, id, label } = piece;
      paragraphs.at(-1)?.content?.push({ type: "mention", attrs: { kind, id, label } });
      continue;
    }
    piece.text.split("\n").forEach((line, index) => {
      if (index > 0) paragraphs.push({ type: "paragraph", content: [] });
      if (line) paragraphs.at(-1)?.content?.push({ type: "text", text: line });
    });
  }
  return { type: "doc", content: paragraphs };
}

/** The editor's document as a prompt. */
export function fromPromptDocument(document: PromptNode): string {
  return (document.content ?? []).map((paragraph) => (paragraph.content ?? []).map(inlineText).join("")).join("\n");
}

function inlineText(node: PromptNode): string {
  if (node.type === "mention") return writeMention(node.attrs as unknown as Mention);
  if (node.type === "hardBreak") return "\n";
  return node.text ?? "";
}
