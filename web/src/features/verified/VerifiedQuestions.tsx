import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ChevronRight, Trash2 } from "lucide-react";
import { useState } from "react";

import { removeVerifiedQuestion, verifiedQuestionsQuery } from "@/api/queries/verified";
import type { VerifiedQuestion } from "@/api/types";
import { Sql } from "@/components/sql";
import { Time } from "@/components/time";
import { IconButton } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";
import { SkeletonRows } from "@/components/ui/skeleton";
import { deleteWithUndo, useHidden } from "@/components/undo";

/** The questions whose SQL was verified, on data that one may query. */
export function VerifiedQuestions() {
  const { data, error, refetch } = useQuery(verifiedQuestionsQuery);
  const hidden = useHidden();
  const questions = data?.values.filter(({ id }) => !hidden.has(id));
  if (error && !data) return <LoadError error={error} what="The verified questions" onRetry={() => void refetch()} />;
  if (!questions) return <SkeletonRows rows={3} label="Loading verified questions" />;
  if (questions.length === 0) {
    return (
      <p className="py-3 text-ink-2">
        None yet. Below an answer from data that you manage, “Verify its SQL” has the question answered by that SQL from
        then on.
      </p>
    );
  }
  return (
    <ul>
      {questions.map((question) => (
        <QuestionLine key={question.id} verified={question} />
      ))}
    </ul>
  );
}

function QuestionLine({ verified }: { verified: VerifiedQuestion }) {
  const queryClient = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  const { id, question, sql, connectionName, verifiedBy, verifiedAt, mayRemove } = verified;
  const remove = () =>
    deleteWithUndo({
      id,
      name: question,
      remove: () => removeVerifiedQuestion(id),
      settled: () => void queryClient.invalidateQueries({ queryKey: verifiedQuestionsQuery.queryKey }),
    });
  return (
    <li className="border-b py-3">
      <div className="flex items-start gap-2">
        <div className="min-w-0 flex-1">
          <p className="font-medium break-words">{question}</p>
          <p className="text-sm text-ink-3">
            {connectionName}, verified by {verifiedBy} <Time at={verifiedAt} look="relative" />
          </p>
          <button
            type="button"
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
            className="mt-1 -ml-1 inline-flex items-center gap-1 rounded-sm px-1 text-ink-2 hover:text-ink"
          >
            <ChevronRight
              aria-hidden
              className={`size-3.5 shrink-0 transition-transform ${isOpen ? "rotate-90" : ""}`}
            />
            SQL
          </button>
        </div>
        {mayRemove ? <IconButton label={`Take back: ${question}`} icon={<Trash2 />} onClick={remove} /> : null}
      </div>
      {isOpen ? (
        <div className="mt-2">
          <Sql sql={sql} />
        </div>
      ) : null}
    </li>
  );
}
