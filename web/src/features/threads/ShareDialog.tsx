import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { groupsQuery, peopleQuery } from "@/api/queries/people";
import { replaceSharing, sharingQuery, threadQuery } from "@/api/queries/threads";
import type { Sharing, SharingBody } from "@/api/types";
import { Button } from "@/components/ui/button";
import { PickMany } from "@/components/ui/combobox";
import { CopyButton } from "@/components/ui/copy-button";
import { Dialog } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { LoadError } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { say, sayError } from "@/components/ui/toast";

/** With whom a thread is shared, and its link. */
export function ShareDialog({ threadId, isMine, onClose }: { threadId: string; isMine: boolean; onClose: () => void }) {
  const { data, error, refetch } = useQuery({ ...sharingQuery(threadId), enabled: isMine });
  return (
    <Dialog open onClose={onClose} title="Share this thread">
      <CopyLink />
      {isMine ? (
        <>
          {data ? <SharingForm key={threadId} threadId={threadId} sharing={data} onClose={onClose} /> : null}
          {error ? <LoadError error={error} what="The sharing" onRetry={() => void refetch()} /> : null}
          {!data && !error ? <Skeleton className="mt-4 h-40" /> : null}
        </>
      ) : (
        <p className="mt-3 text-ink-2">Only its creator can share it with more people.</p>
      )}
    </Dialog>
  );
}

function CopyLink() {
  const url = window.location.origin + window.location.pathname;
  return (
    <div className="flex items-center gap-2">
      <input readOnly aria-label="Link" value={url} className="control" onFocus={(event) => event.target.select()} />
      <CopyButton text={url} label="Copy link" />
    </div>
  );
}

function SharingForm({ threadId, sharing, onClose }: { threadId: string; sharing: Sharing; onClose: () => void }) {
  const queryClient = useQueryClient();
  const { data: people } = useQuery(peopleQuery);
  const { data: groups } = useQuery(groupsQuery);
  const { data: thread } = useQuery(threadQuery(threadId));
  const [body, setBody] = useState<Required<SharingBody>>({
    workspace: sharing.workspace,
    userIds: sharing.users.map(({ id }) => id),
    groupIds: sharing.groups.map(({ id }) => id),
  });
  const [isSaving, setSaving] = useState(false);
  const ownId = thread?.thread.creator.id;
  const personChoices = useMemo(
    () =>
      (people?.values ?? [])
        .filter(({ id }) => id !== ownId)
        .map(({ id, name, email }) => ({ id, label: name, detail: email })),
    [people, ownId],
  );
  const groupChoices = useMemo(() => (groups?.values ?? []).map(({ id, name }) => ({ id, label: name })), [groups]);
  const lockedOut = sharing.users.filter(({ canOpen }) => !canOpen).map(({ name }) => name);

  const save = async () => {
    setSaving(true);
    try {
      queryClient.setQueryData(sharingQuery(threadId).queryKey, await replaceSharing(threadId, body));
      say("Shared as you chose.");
      onClose();
    } catch (error) {
      sayError("The sharing was not changed", error);
    } finally {
      setSaving(false);
    }
  };

  return (
    <div className="mt-4 space-y-4">
      <label className="flex items-center gap-2.5">
        <input
          type="checkbox"
          className="size-4 accent-accent"
          checked={body.workspace}
          onChange={(event) => setBody({ ...body, workspace: event.target.checked })}
        />
        Everybody in the workspace
      </label>
      <Field label="People">
        <PickMany
          choices={personChoices}
          value={body.userIds}
          onChange={(userIds) => setBody({ ...body, userIds })}
          placeholder="Add people"
          empty="Nobody by that name in this workspace."
        />
      </Field>
      <Field label="Groups">
        <PickMany
          choices={groupChoices}
          value={body.groupIds}
          onChange={(groupIds) => setBody({ ...body, groupIds })}
          placeholder="Add groups"
          empty={groupChoices.length === 0 ? "This workspace has no groups." : "No group by that name."}
        />
      </Field>
      <p className="text-sm text-ink-3">
        Readers need to be allowed to view the data that the thread used, whatever is chosen here.
        {lockedOut.length > 0 ? ` Not allowed now: ${lockedOut.join(", ")}.` : ""}
      </p>
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="primary" busy={isSaving} onClick={() => void save()}>
          Save
        </Button>
      </div>
    </div>
  );
}
