import type { Extensions } from "@tiptap/core";
import { Document } from "@tiptap/extension-document";
import { HardBreak } from "@tiptap/extension-hard-break";
import { Mention } from "@tiptap/extension-mention";
import { Paragraph } from "@tiptap/extension-paragraph";
import { Text } from "@tiptap/extension-text";
import { Placeholder, UndoRedo } from "@tiptap/extensions";
import type { SuggestionOptions } from "@tiptap/suggestion";

import type { Mentionable } from "./mention-list";

/** A mention keeps its kind and id; what is shown is the label, struck out where the thing was deleted. */
const PromptMention = Mention.extend({
  addAttributes() {
    return {
      kind: { default: "connection" },
      id: { default: null },
      label: { default: "" },
      missing: { default: false },
    };
  },
  parseHTML() {
    // Pasted pages make no mentions: only what is chosen here does.
    return [];
  },
  renderHTML({ node }) {
    const { id, label, missing } = node.attrs as { id: string; label: string; missing: boolean };
    return ["span", { class: "mention", "data-id": id, "data-missing": String(missing) }, label];
  },
  renderText({ node }) {
    return String(node.attrs.label);
  },
});

export function promptExtensions(
  placeholder: string,
  suggestion: Omit<SuggestionOptions<Mentionable>, "editor">,
): Extensions {
  return [
    Document,
    Paragraph,
    Text,
    HardBreak,
    UndoRedo,
    Placeholder.configure({ placeholder }),
    PromptMention.configure({ suggestion }),
  ];
}
