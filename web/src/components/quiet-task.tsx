import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Bell, BellOff } from "lucide-react";
import { useState } from "react";

import { quietTask, quietTasksQuery } from "@/api/queries/settings";
import { Button } from "@/components/ui/button";
import { say, sayError } from "@/components/ui/toast";

interface Quiet {
  /** Unknown while it is being loaded. */
  isQuiet: boolean | undefined;
  /** Stops the task's messages to the reader, or has them come again. */
  change: () => Promise<void>;
}

/** Whether the reader wants no messages of a task. */
export function useQuietTask(taskId: string): Quiet {
  const queryClient = useQueryClient();
  const { data } = useQuery(quietTasksQuery);
  const isQuiet = data?.values.some(({ id }) => id === taskId);
  const change = async () => {
    try {
      await quietTask(taskId, !isQuiet);
      say(isQuiet ? "You will hear of this task again." : "You will hear no more of this task.");
      await queryClient.invalidateQueries({ queryKey: quietTasksQuery.queryKey });
    } catch (error) {
      sayError("Nothing was changed", error);
    }
  };
  return { isQuiet, change };
}

/** A button for it. */
export function QuietTask({ taskId }: { taskId: string }) {
  const { isQuiet, change } = useQuietTask(taskId);
  const [isBusy, setBusy] = useState(false);
  if (isQuiet === undefined) return null;
  const press = async () => {
    setBusy(true);
    await change();
    setBusy(false);
  };
  return (
    <Button onClick={() => void press()} busy={isBusy}>
      {isQuiet ? <Bell aria-hidden /> : <BellOff aria-hidden />}
      {isQuiet ? "Hear of it again" : "Mute"}
    </Button>
  );
}
