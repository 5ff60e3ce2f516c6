import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { meQuery } from "@/api/queries/session";
import { createTask } from "@/api/queries/tasks";
import { Page } from "@/components/ui/page";
import { browserZone } from "@/lib/time";

import { newTaskForm } from "./editor/task-form";
import { TaskEditor } from "./editor/TaskEditor";
import { useAfterSave } from "./use-after-save";

export function NewTaskPage() {
  const { data: me } = useQuery(meQuery);
  const navigate = useNavigate();
  const afterSave = useAfterSave();
  const [now] = useState(() => new Date());
  if (!me) return null;
  return (
    <Page title="New task">
      <TaskEditor
        me={me}
        initial={newTaskForm(me.timezone || browserZone(), now, me.id)}
        save={createTask}
        onSaved={afterSave}
        onCancel={() => void navigate({ to: "/tasks" })}
      />
    </Page>
  );
}
