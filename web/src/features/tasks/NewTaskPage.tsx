import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { meQuery } from "@/api/queries/session";
import { createTask } from "@/api/queries/tasks";
import { taskDraftsQuery } from "@/api/queries/threads";
import type { Me, TaskDraft } from "@/api/types";
import { LoadError, Notice } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";
import { SkeletonRows } from "@/components/ui/skeleton";
import { browserZone } from "@/lib/time";

import { DraftNotes } from "./DraftNotes";
import { draftTaskForm, newTaskForm } from "./editor/task-form";
import { TaskEditor } from "./editor/TaskEditor";
import { useAfterSave } from "./use-after-save";

const route = getRouteApi("/app/tasks/new");

/** A task to be made: from nothing, or from a draft of a conversation. */
export function NewTaskPage() {
  const { data: me } = useQuery(meQuery);
  const { draft: threadId, turn } = route.useSearch();
  if (!me) return null;
  return (
    <Page title="New task">
      {threadId !== undefined && turn !== undefined ? (
        <FromDraft me={me} threadId={threadId} turnNo={turn} />
      ) : (
        <NewTask me={me} />
      )}
    </Page>
  );
}

function FromDraft({ me, threadId, turnNo }: { me: Me; threadId: string; turnNo: number }) {
  const { data, error, refetch } = useQuery(taskDraftsQuery(threadId, turnNo));
  if (error && !data) return <LoadError error={error} what="The draft" onRetry={() => void refetch()} />;
  if (!data) return <SkeletonRows rows={4} label="Loading the draft" />;
  const draft = data.values.find((one) => one.turnNo === turnNo)?.draft;
  return (
    <>
      {draft ? null : <Notice>That answer holds no draft of a task. Here is an empty one.</Notice>}
      <NewTask key={turnNo} me={me} draft={draft} />
    </>
  );
}

function NewTask({ me, draft }: { me: Me; draft?: TaskDraft | undefined }) {
  const navigate = useNavigate();
  const afterSave = useAfterSave();
  const [now] = useState(() => new Date());
  const zone = me.timezone || browserZone();
  return (
    <>
      {draft ? <DraftNotes draft={draft} /> : null}
      <TaskEditor
        me={me}
        initial={draft ? draftTaskForm(draft, now) : newTaskForm(zone, now, me.id)}
        save={createTask}
        onSaved={afterSave}
        onCancel={() => void navigate({ to: "/tasks" })}
      />
    </>
  );
}
