import { promptPieces } from "@/lib/mention";

/** A prompt as it is read: text, with mentions as chips. Mentions of `missingIds` are struck out. */
export function PromptText({ prompt, missingIds = [] }: { prompt: string; missingIds?: string[] }) {
  return (
    <span className="break-words whitespace-pre-wrap">
      {promptPieces(prompt).map((piece, index) => {
        if (piece.type === "text") return piece.text;
        const isMissing = missingIds.includes(piece.id);
        return (
          <span
            key={index}
            className="mention"
            data-missing={isMissing}
            title={isMissing ? "Deleted since" : undefined}
          >
            {piece.label}
          </span>
        );
      })}
    </span>
  );
}
