import type { TaskDraft } from "@/api/types";
import { Notice } from "@/components/ui/notice";

/** What to look at in a draft: who was not found, what was assumed. */
export function DraftNotes({ draft }: { draft: TaskDraft }) {
  const missing = draft.unresolved.map(({ name, why }) => `${name}: ${why}`);
  const notes = [...missing, ...draft.notes];
  return (
    <div className="mb-6 max-w-[46rem]">
      <Notice tone={missing.length > 0 ? "warn" : "info"}>
        <p>Drafted from your conversation. Nothing is saved before you save it.</p>
        {notes.length > 0 ? (
          <ul className="mt-1 list-disc pl-4">
            {notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        ) : null}
      </Notice>
    </div>
  );
}
