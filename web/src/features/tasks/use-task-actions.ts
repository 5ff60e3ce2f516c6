import { useQueryClient, type InfiniteData } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import {
  cancelRun,
  deleteTask,
  duplicateTask,
  extendTask,
  pauseTask,
  resumeTask,
  runTask,
  taskKeys,
  taskQuery,
} from "@/api/queries/tasks";
import type { Page, Task } from "@/api/types";
import { say, sayError, sayWithOffer } from "@/components/ui/toast";
import { deleteWithUndo } from "@/components/undo";

function isUnderWay(status: NonNullable<Task["lastRun"]>["status"]): boolean {
  return status === "running" || status === "waiting";
}

/** What can be done to a task from a list or from its page. Each action tells how it went by itself. */
export function useTaskActions(task: Pick<Task, "id" | "title">) {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const refresh = () => void queryClient.invalidateQueries({ queryKey: taskKeys.all });

  /** Shows a change before the server has confirmed it. */
  const showAs = (changes: Partial<Task>) => {
    queryClient.setQueryData(taskQuery(task.id).queryKey, (shown) => shown && { ...shown, ...changes });
    queryClient.setQueriesData<InfiniteData<Page<Task>>>({ queryKey: taskKeys.list }, (list) => {
      if (!list) return list;
      const change = (one: Task) => (one.id === task.id ? { ...one, ...changes } : one);
      return { ...list, pages: list.pages.map((page) => ({ ...page, values: page.values.map(change) })) };
    });
  };

  const attempt = async (what: string, action: () => Promise<unknown>) => {
    try {
      await action();
    } catch (error) {
      sayError(what, error);
    } finally {
      refresh();
    }
  };

  return {
    pause: () => {
      showAs({ status: "paused", nextRunAt: null });
      return attempt("The task was not paused", async () => {
        const { lastRun } = await pauseTask(task.id);
        // Pausing stops what was to come; a run that has started goes on.
        if (lastRun && isUnderWay(lastRun.status)) {
          sayWithOffer("Paused. A run that has started goes on.", "Stop it too", () => {
            void attempt("The run goes on", () => cancelRun(lastRun.id));
          });
        }
      });
    },
    resume: () => {
      showAs({ status: "active" });
      return attempt("The task was not resumed", () => resumeTask(task.id));
    },
    run: (testToMe: boolean) =>
      attempt(testToMe ? "The test was not started" : "The task was not started", async () => {
        const { threadId } = await runTask(task.id, testToMe);
        await navigate({ to: "/threads/$threadId", params: { threadId } });
      }),
    duplicate: () =>
      attempt("The task was not duplicated", async () => {
        const copy = await duplicateTask(task.id);
        say("Here is the copy. It is paused until you resume it.");
        await navigate({ to: "/tasks/$taskId/edit", params: { taskId: copy.id } });
      }),
    extend: (expiresAt: string) =>
      attempt("The expiration was not changed", async () => {
        await extendTask(task.id, expiresAt);
        say("Extended.");
      }),
    remove: () =>
      deleteWithUndo({ id: task.id, name: task.title, remove: () => deleteTask(task.id), settled: refresh }),
  };
}
