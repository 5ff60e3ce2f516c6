import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import { runTask, taskKeys, taskQuery } from "@/api/queries/tasks";
import type { Task } from "@/api/types";
import { say, sayError } from "@/components/ui/toast";

/** Where the editor leads: to the task, or with `test` to the thread of the test that was asked for. */
export function useAfterSave(): (task: Task, test: boolean) => Promise<void> {
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  return async (task, test) => {
    queryClient.setQueryData(taskQuery(task.id).queryKey, task);
    void queryClient.invalidateQueries({ queryKey: taskKeys.all });
    const openTask = () => navigate({ to: "/tasks/$taskId", params: { taskId: task.id } });
    if (!test) {
      say("Saved.");
      return openTask();
    }
    try {
      const { threadId } = await runTask(task.id, true);
      await navigate({ to: "/threads/$threadId", params: { threadId } });
    } catch (error) {
      sayError("The task was saved, but the test was not started", error);
      await openTask();
    }
  };
}
