import { useQuery, useQueryClient } from "@tanstack/react-query";
import { BadgeCheck } from "lucide-react";
import { useState } from "react";

import { errorMessage } from "@/api/error";
import { connectionsQuery } from "@/api/queries/connections";
import { verifiedQuestionsQuery, verifyQuestion } from "@/api/queries/verified";
import type { ThreadResult, ThreadSteps, Turn } from "@/api/types";
import { Sql } from "@/components/sql";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, FieldError } from "@/components/ui/field";
import { say } from "@/components/ui/toast";
import { plainPrompt } from "@/lib/mention";
import { isQueried } from "@/lib/provenance";

/** Offers those who manage the data of an answer to mark its question and SQL as verified. */
export function VerifyAnswer({ turn, data }: { turn: Turn; data: ThreadSteps }) {
  const { data: connections } = useQuery(connectionsQuery);
  const [isOpen, setOpen] = useState(false);
  const shown = (turn.answer?.results ?? []).flatMap(({ id }) => data.results.find((one) => one.id === id) ?? []);
  const managed = shown
    .filter(isQueried)
    .filter(({ connectionId }) =>
      connections?.values.some(({ id, access }) => id === connectionId && access === "manage"),
    );
  if (managed.length === 0 || turn.answer?.verified) return null;
  return (
    <>
      <Button look="quiet" onClick={() => setOpen(true)}>
        <BadgeCheck aria-hidden />
        Verify its SQL
      </Button>
      {isOpen ? <VerifyDialog turn={turn} data={data} results={managed} onClose={() => setOpen(false)} /> : null}
    </>
  );
}

interface VerifyDialogProps {
  turn: Turn;
  data: ThreadSteps;
  results: ThreadResult[];
  onClose: () => void;
}

function VerifyDialog({ turn, data, results, onClose }: VerifyDialogProps) {
  const queryClient = useQueryClient();
  const [question, setQuestion] = useState(plainPrompt(turn.prompt).trim());
  const [resultId, setResultId] = useState(results[0]?.id ?? "");
  const [failure, setFailure] = useState<string>();
  const [isSaving, setSaving] = useState(false);
  const chosen = results.find(({ id }) => id === resultId);

  const save = async () => {
    setSaving(true);
    setFailure(undefined);
    try {
      await verifyQuestion({ threadId: data.thread.threadId, resultId, question });
      await queryClient.invalidateQueries({ queryKey: verifiedQuestionsQuery.queryKey });
      say("Verified. Whoever may query this data gets this SQL for this question.");
      onClose();
    } catch (error) {
      setFailure(errorMessage(error));
      setSaving(false);
    }
  };

  return (
    <Dialog
      open
      onClose={onClose}
      title="Verify question and SQL"
      actions={
        <>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button look="primary" busy={isSaving} onClick={() => void save()}>
            {isSaving ? "Saving…" : "Verify"}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        <p className="text-ink-2">
          Asked again, this question is answered by this SQL, with its period moved along, and the answer says so.
        </p>
        <Field label="Question" hint="Write it so that it stands by itself.">
          <textarea
            rows={2}
            maxLength={2000}
            value={question}
            onChange={(event) => setQuestion(event.target.value)}
            className="control h-auto py-1.5"
          />
        </Field>
        {results.length > 1 ? (
          <Field label="Result">
            <select value={resultId} onChange={(event) => setResultId(event.target.value)} className="control">
              {results.map(({ id, handle, columns }) => (
                <option key={id} value={id}>
                  {handle}: {columns.map(({ name }) => name).join(", ")}
                </option>
              ))}
            </select>
          </Field>
        ) : null}
        {chosen ? <Sql sql={chosen.sql} /> : null}
        <FieldError message={failure} />
      </div>
    </Dialog>
  );
}
