import type { SuggestionKeyDownProps, SuggestionOptions, SuggestionProps } from "@tiptap/suggestion";

import type { Mention } from "@/lib/mention";

/** Something that can be mentioned. */
export type Mentionable = Mention;

/** The list of things to mention while it is open. */
export interface OpenList {
  items: Mentionable[];
  /** Which of them Enter takes. */
  active: number;
  /** Where the text is that it belongs to. */
  rect: DOMRect | null;
  choose: (item: Mentionable) => void;
}

const MOST_SHOWN = 8;

/** What stands between the editor, which says when a list is wanted, and React, which shows it. */
export class MentionList {
  private mentionables: Mentionable[] = [];
  private open: OpenList | null = null;
  private listener: () => void = () => undefined;

  readonly subscribe = (listener: () => void) => {
    this.listener = listener;
    return () => {
      this.listener = () => undefined;
    };
  };

  readonly current = () => this.open;

  /** Says what can be mentioned from now on. */
  offer(mentionables: Mentionable[]): void {
    this.mentionables = mentionables;
  }

  /** For the editor's mention extension. */
  options(): Omit<SuggestionOptions<Mentionable>, "editor"> {
    return {
      char: "@",
      items: ({ query }) => this.matching(query),
      render: () => ({
        onStart: (props) => this.show(props),
        onUpdate: (props) => this.show(props),
        onExit: () => this.set(null),
        onKeyDown: (props) => this.press(props),
      }),
    };
  }

  private matching(query: string): Mentionable[] {
    const words = query.toLowerCase();
    return this.mentionables.filter(({ label }) => label.toLowerCase().includes(words)).slice(0, MOST_SHOWN);
  }

  private show({ items, clientRect, command }: SuggestionProps<Mentionable>): void {
    this.set({ items, active: 0, rect: clientRect?.() ?? null, choose: command });
  }

  private press({ event }: SuggestionKeyDownProps): boolean {
    if (!this.open || this.open.items.length === 0) return false;
    const { items, active, choose } = this.open;
    if (event.key === "ArrowDown") this.set({ ...this.open, active: (active + 1) % items.length });
    else if (event.key === "ArrowUp") this.set({ ...this.open, active: (active + items.length - 1) % items.length });
    else if (event.key === "Enter" || event.key === "Tab") {
      const item = items[active];
      if (item) choose(item);
    } else return false;
    return true;
  }

  private set(open: OpenList | null): void {
    this.open = open;
    this.listener();
  }
}
