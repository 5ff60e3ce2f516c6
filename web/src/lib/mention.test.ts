import { describe, expect, it } from "vitest";

import { fromPromptDocument, mentionsOf, plainPrompt, promptPieces, toPromptDocument, writeMention } from "./mention";

const ID = "019396f0-0000-7000-8000-000000000001";
const PROMPT = `How many in @[NYC](connection:${ID}) today?\nAnd before?`;

describe("mentions in a prompt", () => {
  it("are cut out of the text", () => {
    expect(promptPieces(PROMPT)).toEqual([
      { type: "text", text: "How many in " },
      { type: "mention", kind: "connection", id: ID, label: "NYC" },
      { type: "text", text: " today?\nAnd before?" },
    ]);
    expect(plainPrompt(PROMPT)).toBe("How many in NYC today?\nAnd before?");
    expect(mentionsOf(PROMPT)).toEqual([{ kind: "connection", id: ID, label: "NYC" }]);
  });

  it("are not made of other brackets", () => {
    for (const text of ["@[", "@[a](b", "@[a] (b:c)", "mail@[host]", "@[a](connection:nope)", `@[a](table:${ID})`]) {
      expect(plainPrompt(text)).toBe(text);
    }
  });

  it("survive a label with brackets and line breaks", () => {
    const written = writeMention({ kind: "connection", id: ID, label: "Sales [EU](x)\nnew" });
    expect(mentionsOf(written)).toEqual([{ kind: "connection", id: ID, label: "Sales (EU)(x) new" }]);
  });
});

describe("the editor's document", () => {
  it("holds a paragraph a line and a node a mention, and comes back the same", () => {
    const document = toPromptDocument(PROMPT);
    expect(document.content).toHaveLength(2);
    expect(document.content?.[0]?.content?.[1]).toEqual({
      type: "mention",
      attrs: { kind: "connection", id: ID, label: "NYC" },
    });
    expect(fromPromptDocument(document)).toBe(PROMPT);
  });

  it.each(["", "one", "a\n\nb\n", `@[x](connection:${ID})`, `@[x](connection:${ID})@[y](connection:${ID})`])(
    "keeps %j",
    (prompt) => {
      expect(fromPromptDocument(toPromptDocument(prompt))).toBe(prompt);
    },
  );

  it("takes a hard break as a new line", () => {
    const content = [{ type: "text", text: "a" }, { type: "hardBreak" }, { type: "text", text: "b" }];
    expect(fromPromptDocument({ type: "doc", content: [{ type: "paragraph", content }] })).toBe("a\nb");
  });
});
