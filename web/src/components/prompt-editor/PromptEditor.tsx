import { EditorContent, useEditor } from "@tiptap/react";
import { Database, Plus } from "lucide-react";
import { useEffect, useId, useState, useSyncExternalStore, type CSSProperties, type ReactNode } from "react";

import { iconButtonClass } from "@/components/ui/button";
import { Menu } from "@/components/ui/menu";
import { fromPromptDocument, toPromptDocument, type PromptNode } from "@/lib/mention";

import { promptExtensions } from "./extensions";
import { MentionList, type Mentionable } from "./mention-list";
import { SuggestionList } from "./SuggestionList";

interface PromptEditorProps {
  /** The prompt to begin with. Later changes go out by `onChange` and are not read back. */
  initial: string;
  onChange: (prompt: string) => void;
  mentionables: Mentionable[];
  /** Ids of mentions whose thing was deleted. */
  missingIds?: string[];
  label: string;
  placeholder: string;
  invalid?: boolean;
  describedBy?: string | undefined;
  /** Height to begin with, in rem. */
  minHeight?: number;
  autoFocus?: boolean;
  onBlur?: () => void;
  /** Ctrl or Command with Enter; with `submitOnEnter` Enter alone. */
  onSubmit?: () => void;
  submitOnEnter?: boolean;
  /** Stands at the bottom right. */
  children?: ReactNode;
}

/** Text with mentions: `@` opens the list where one types, the button at the bottom left opens it anywhere. */
export function PromptEditor(props: PromptEditorProps) {
  const { mentionables, onSubmit, submitOnEnter = false } = props;
  const listId = useId();
  const [list] = useState(() => new MentionList());
  const open = useSyncExternalStore(list.subscribe, list.current);
  const [extensions] = useState(() => promptExtensions(props.placeholder, list.options()));
  const [content] = useState(() =>
    withCurrentLabels(toPromptDocument(props.initial), mentionables, props.missingIds ?? []),
  );
  useEffect(() => list.offer(mentionables), [list, mentionables]);

  const submitsBy = (event: KeyboardEvent) =>
    event.key === "Enter" &&
    !event.shiftKey &&
    !event.isComposing &&
    (submitOnEnter || event.metaKey || event.ctrlKey) &&
    list.current() === null;

  const editor = useEditor({
    extensions,
    content,
    injectCSS: false,
    autofocus: props.autoFocus ? "end" : false,
    onUpdate: ({ editor: changed }) => props.onChange(fromPromptDocument(changed.getJSON() as PromptNode)),
    onBlur: () => props.onBlur?.(),
    editorProps: {
      attributes: { role: "textbox", "aria-multiline": "true", "aria-label": props.label },
      handleKeyDown: (_view, event) => {
        if (!onSubmit || !submitsBy(event)) return false;
        onSubmit();
        return true;
      },
    },
  });

  const activeId = open && open.items.length > 0 ? `${listId}-${open.active}` : undefined;
  useAttributes(editor.view.dom, {
    "aria-invalid": props.invalid ? "true" : undefined,
    "aria-describedby": props.describedBy,
    "aria-controls": activeId && listId,
    "aria-activedescendant": activeId,
  });

  const insert = ({ kind, id, label }: Mentionable) =>
    editor
      .chain()
      .focus()
      .insertContent([
        { type: "mention", attrs: { kind, id, label } },
        { type: "text", text: " " },
      ])
      .run();

  return (
    <div
      className="prompt-editor control p-0!"
      aria-invalid={props.invalid ? "true" : undefined}
      style={{ "--prompt-rows": `${props.minHeight ?? 6.5}rem` } as CSSProperties}
    >
      <EditorContent editor={editor} />
      <div className="flex items-center justify-between px-1.5 pb-1.5">
        <Menu
          trigger={
            <button type="button" aria-label="Mention data" data-tip="Mention data (@)" className={iconButtonClass()}>
              <Plus />
            </button>
          }
          entries={mentionables.map((item) => ({
            label: item.label,
            icon: <Database />,
            onSelect: () => insert(item),
          }))}
          empty="There is no data to mention yet."
        />
        {props.children}
      </div>
      {open ? <SuggestionList id={listId} list={open} isAnythingThere={mentionables.length > 0} /> : null}
    </div>
  );
}

/** Renamed things show their present name; deleted ones are marked. */
function withCurrentLabels(document: PromptNode, mentionables: Mentionable[], missingIds: string[]): PromptNode {
  const relabel = (node: PromptNode): PromptNode => {
    if (node.type !== "mention") return { ...node, ...(node.content ? { content: node.content.map(relabel) } : {}) };
    const id = String(node.attrs?.id);
    const current = mentionables.find((item) => item.id === id);
    return {
      ...node,
      attrs: { ...node.attrs, label: current?.label ?? node.attrs?.label, missing: missingIds.includes(id) },
    };
  };
  return relabel(document);
}

/** Attributes that change after the editor was made. */
function useAttributes(element: HTMLElement, attributes: Record<string, string | undefined>): void {
  useEffect(() => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined) element.removeAttribute(name);
      else element.setAttribute(name, value);
    }
  });
}
