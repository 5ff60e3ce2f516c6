import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CalendarPlus } from "lucide-react";

import { taskDraftsQuery } from "@/api/queries/threads";
import { PromptText } from "@/components/prompt-text";
import { buttonClass } from "@/components/ui/button";
import { Facts } from "@/components/ui/facts";
import { LoadError } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";

/** A task as it was talked about. Nothing of it is saved before it is reviewed. */
export function DraftCard({ threadId, turnNo }: { threadId: string; turnNo: number }) {
  const { data, error, refetch } = useQuery(taskDraftsQuery(threadId, turnNo));
  if (error && !data) return <LoadError error={error} what="The draft" onRetry={() => void refetch()} />;
  if (!data) return <Skeleton className="h-40 w-full" />;
  const draft = data.values.find((one) => one.turnNo === turnNo)?.draft;
  if (!draft) return null;
  const missing = draft.unresolved.map(({ name, why }) => `${name}: ${why}`);
  return (
    <section aria-label="Draft of a task" className="rounded-md border border-line-strong p-4">
      <h3 className="text-base font-semibold break-words">{draft.title}</h3>
      <div className="mt-1 max-w-[68ch] break-words text-ink-2">
        <PromptText prompt={draft.prompt} />
      </div>
      <div className="mt-3">
        <Facts
          facts={[
            ["When", draft.scheduleInWords.replaceAll("_", " ")],
            ["To", draft.recipients.length > 0 ? draft.recipients.join(", ") : "Nobody yet"],
          ]}
        />
      </div>
      {[...missing, ...draft.notes].length > 0 ? (
        <ul className="mt-3 space-y-1 border-l-2 border-warn pl-4 text-sm text-ink-2">
          {[...missing, ...draft.notes].map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      ) : null}
      <div className="mt-4 flex flex-wrap items-center gap-x-3 gap-y-2">
        <Link to="/tasks/new" search={{ draft: threadId, turn: turnNo }} className={buttonClass("primary")}>
          <CalendarPlus aria-hidden />
          Review and save
        </Link>
        <span className="text-sm text-ink-3">Nothing is saved before you save it there.</span>
      </div>
    </section>
  );
}
