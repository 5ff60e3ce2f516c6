import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";

import { ApiError } from "@/api/error";
import { meQuery } from "@/api/queries/session";
import { taskQuery, updateTask } from "@/api/queries/tasks";
import type { Me, Task } from "@/api/types";
import { NotFound } from "@/components/route-states";
import { LoadError } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";

import { toTaskForm } from "./editor/task-form";
import { TaskEditor } from "./editor/TaskEditor";
import { useAfterSave } from "./use-after-save";

const route = getRouteApi("/app/tasks/$taskId/edit");

export function EditTaskPage() {
  const { taskId } = route.useParams();
  const { data: me } = useQuery(meQuery);
  // Fetched afresh when the editor opens, and left alone while it is open: what is being written stays.
  const {
    data: task,
    error,
    refetch,
    isFetchedAfterMount,
  } = useQuery({
    ...taskQuery(taskId),
    refetchOnMount: "always",
    refetchOnWindowFocus: false,
  });
  if (error instanceof ApiError && error.status === 404) return <NotFound what="This task" />;
  return (
    <Page title={task ? `Edit ${task.title}` : "Edit task"} heading="Edit task">
      {error && !task ? <LoadError error={error} what="The task" onRetry={() => void refetch()} /> : null}
      {task && me && isFetchedAfterMount ? <OpenEditor key={task.id} me={me} task={task} /> : null}
      {!error && !(task && me && isFetchedAfterMount) ? <Skeleton className="h-96 w-full max-w-[46rem]" /> : null}
    </Page>
  );
}

function OpenEditor({ me, task }: { me: Me; task: Task }) {
  const navigate = useNavigate();
  const afterSave = useAfterSave();
  return (
    <TaskEditor
      me={me}
      task={task}
      initial={toTaskForm(task)}
      save={(body) => updateTask(task.id, task.version, body)}
      onSaved={afterSave}
      onCancel={() => void navigate({ to: "/tasks/$taskId", params: { taskId: task.id } })}
    />
  );
}
