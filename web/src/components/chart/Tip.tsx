import { createPortal } from "react-dom";

/** What stands under the pointer: names and values, and where the pointer is. */
export interface TipContent {
  x: number;
  y: number;
  entries: [string, string][];
}

const WIDTH = 260;

/** A mark's values beside the pointer. The same numbers stand in the result's table, so it is nothing for a screen reader. */
export function Tip({ tip }: { tip: TipContent | null }) {
  if (!tip) return null;
  const left = tip.x + 14 + WIDTH > window.innerWidth ? Math.max(8, tip.x - WIDTH - 8) : tip.x + 14;
  return createPortal(
    <dl
      aria-hidden
      className="tabular pointer-events-none fixed z-50 grid w-max grid-cols-[auto_auto] gap-x-4 rounded-md border border-line bg-raised px-3 py-2 text-sm shadow-[var(--shadow)]"
      style={{ left, top: tip.y + 14, maxWidth: WIDTH }}
    >
      {tip.entries.map(([name, text]) => (
        <div key={name} className="contents">
          <dt className="text-ink-3">{name}</dt>
          <dd className="text-right break-words text-ink">{text}</dd>
        </div>
      ))}
    </dl>,
    document.body,
  );
}
