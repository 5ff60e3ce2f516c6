import { Database } from "lucide-react";
import { createPortal } from "react-dom";

import type { OpenList } from "./mention-list";

interface SuggestionListProps {
  id: string;
  list: OpenList;
  /** Whether there is anything to mention at all. */
  isAnythingThere: boolean;
}

const WIDTH = 256;
const MARGIN = 16;

/** The things to mention, under the text. The keyboard stays in the text box, which points here. */
export function SuggestionList({ id, list: { items, active, rect, choose }, isAnythingThere }: SuggestionListProps) {
  if (!rect) return null;
  const position = {
    left: Math.min(rect.left, window.innerWidth - WIDTH - MARGIN),
    top: rect.bottom + 6,
    width: WIDTH,
  };
  if (items.length === 0) {
    return createPortal(
      <p role="status" className="popup fixed z-60 px-3 py-2 text-ink-2" style={position}>
        {isAnythingThere ? "No data by that name." : "There is no data to mention yet."}
      </p>,
      document.body,
    );
  }
  return createPortal(
    <div id={id} role="listbox" aria-label="Data to mention" className="popup fixed z-60 p-1" style={position}>
      {items.map((item, index) => (
        <div
          key={item.id}
          id={`${id}-${index}`}
          role="option"
          tabIndex={-1}
          aria-selected={index === active}
          onPointerDown={(event) => {
            event.preventDefault();
            choose(item);
          }}
          className="flex cursor-default items-center gap-2.5 rounded-md px-2 py-1.5 hover:bg-pointed aria-selected:bg-pointed pointer-coarse:py-2.5 [&_svg]:size-4 [&_svg]:text-ink-3"
        >
          <Database aria-hidden />
          <span className="truncate">{item.label}</span>
        </div>
      ))}
    </div>,
    document.body,
  );
}
