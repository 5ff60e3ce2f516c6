import type { Figure } from "@/api/types";
import { figurePieces } from "@/lib/figure";

export interface FigureProps {
  figures: Figure[];
  /** The id of the figure whose source is shown. */
  openFigure: string | undefined;
  onFigure: (id: string) => void;
}

/** A line of text with figures that can be looked into. */
export function FigureText({ text, ...props }: FigureProps & { text: string }) {
  return figurePieces(text, props.figures).map((piece, index) =>
    piece.type === "text" ? piece.text : <FigureLink key={index} figure={piece.figure} {...props} />,
  );
}

/** One figure: pressing it shows the query and the row that it comes from. */
export function FigureLink({ figure, openFigure, onFigure }: FigureProps & { figure: Figure }) {
  return (
    <button
      type="button"
      aria-expanded={openFigure === figure.id}
      title={figure.checked ? "Show where this comes from" : "Not found in the data"}
      onClick={() => onFigure(figure.id)}
      className={`tabular inline rounded-sm px-px text-left underline decoration-2 underline-offset-[0.2em] transition-colors select-text ${
        figure.checked
          ? "decoration-accent/45 hover:bg-accent-soft aria-expanded:bg-accent-soft aria-expanded:decoration-accent"
          : "decoration-warn decoration-wavy hover:bg-warn-soft aria-expanded:bg-warn-soft"
      }`}
    >
      {figure.text}
      {figure.checked ? null : (
        <>
          <span aria-hidden className="text-warn no-underline">
            ?
          </span>
          <span className="sr-only"> (unchecked)</span>
        </>
      )}
    </button>
  );
}
