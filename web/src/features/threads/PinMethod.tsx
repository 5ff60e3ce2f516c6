import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Pin, PinOff } from "lucide-react";
import { useState } from "react";

import { pinMethod, taskMethodQuery } from "@/api/queries/tasks";
import type { Turn } from "@/api/types";
import { Button } from "@/components/ui/button";
import { say, sayError } from "@/components/ui/toast";

/** Lets a task's creator pin the query behind a run's headline, so that later runs are held against it. */
export function PinMethod({ taskId, threadId, turn }: { taskId: string; threadId: string; turn: Turn }) {
  const queryClient = useQueryClient();
  const { data } = useQuery(taskMethodQuery(taskId));
  const [isBusy, setBusy] = useState(false);
  const resultId = headlineResult(turn);
  if (!data || resultId === undefined || turn.turnNo !== 1) return null;
  const isPinned = data.pinned?.threadId === threadId;

  const change = async () => {
    setBusy(true);
    try {
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

/** The result that the headline's first figure comes from; else the first that is shown. */
function headlineResult({ answer }: Turn): string | undefined {
  if (!answer) return undefined;
  const figure = answer.figures.find(({ id, cells }) => cells.length > 0 && answer.headline.includes(`{{${id}}}`));
  return figure?.cells[0]?.resultId ?? answer.results[0]?.id;
}
