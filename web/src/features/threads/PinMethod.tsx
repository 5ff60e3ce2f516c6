import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Pin, PinOff } from "lucide-react";
import { useState } from "react";

import { pinMethod, taskMethodQuery } from "@/api/queries/tasks";
import type { ThreadSteps, Turn } from "@/api/types";
import { Button } from "@/components/ui/button";
import { say, sayError } from "@/components/ui/toast";
import { isQueried } from "@/lib/provenance";

/** Lets a task's creator pin the query behind a run's headline, so that later runs are held against it. */
export function PinMethod({ taskId, turn, data: thread }: { taskId: string; turn: Turn; data: ThreadSteps }) {
  const queryClient = useQueryClient();
  const { data } = useQuery(taskMethodQuery(taskId));
  const [isBusy, setBusy] = useState(false);
  const { threadId } = thread.thread;
  const resultId = headlineResult(turn, thread);
  if (!data || resultId === undefined || turn.turnNo !== 1) return null;
  const isPinned = data.pinned?.threadId === threadId;

  const change = async () => {
    setBusy(true);
    try {
      // What is on its way would tell what was before.
      await queryClient.cancelQueries(taskMethodQuery(taskId));
      const method = await pinMethod(taskId, isPinned ? null : resultId);
      queryClient.setQueryData(taskMethodQuery(taskId).queryKey, method);
      say(isPinned ? "Unpinned." : "Pinned. Later runs replay this query, and say when theirs comes to other rows.");
    } catch (error) {
      sayError("Nothing was changed", error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button look="quiet" busy={isBusy} onClick={() => void change()}>
      {isPinned ? <PinOff aria-hidden /> : <Pin aria-hidden />}
      {isPinned ? "Unpin its query" : "Pin its query"}
    </Button>
  );
}

/** The query that the headline's first figure of one comes from; else the first that is shown. A comparison is no query. */
function headlineResult({ answer }: Turn, { results }: ThreadSteps): string | undefined {
  if (!answer) return undefined;
  const inHeadline = answer.figures.filter(({ id }) => answer.headline.includes(`{{${id}}}`));
  const named = [
    ...inHeadline.flatMap(({ cells }) => cells.map(({ resultId }) => resultId)),
    ...answer.results.map(({ id }) => id),
  ];
  return named.find((id) => results.some((result) => result.id === id && isQueried(result)));
}
