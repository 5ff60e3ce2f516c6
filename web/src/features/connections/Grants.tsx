import { useQuery, useQueryClient } from "@tanstack/react-query";
import { X } from "lucide-react";
import { useMemo } from "react";

import { connectionKeys, grantsQuery, replaceGrants } from "@/api/queries/connections";
import { groupsQuery, peopleQuery } from "@/api/queries/people";
import type { Grant } from "@/api/types";
import { useSavedAtOnce } from "@/components/use-saved-at-once";
import { IconButton } from "@/components/ui/button";
import { PickOne, type Choice } from "@/components/ui/combobox";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";

import { ACCESS_WORDS } from "./words";

const ACCESSES = Object.entries(ACCESS_WORDS) as [Grant["access"], string][];

/** Who may do what with a connection. A change is saved at once. */
export function Grants({ connectionId }: { connectionId: string }) {
  const queryClient = useQueryClient();
  const { queryKey } = grantsQuery(connectionId);
  const { data, error, refetch } = useQuery(grantsQuery(connectionId));
  const { shown, change } = useSavedAtOnce({
    queryKey,
    data,
    save: ({ values }) => replaceGrants(connectionId, values),
    refused: "The grants were not changed",
    onSaved: () => void queryClient.invalidateQueries({ queryKey: [...connectionKeys.all, "one", connectionId] }),
  });
  const grants = shown?.values ?? [];
  const save = (values: Grant[]) => shown && change({ ...shown, values });
  const choices = useSubjects(grants);

  return (
    <Section title="Who may use it">
      {error ? <LoadError error={error} what="The grants" onRetry={() => void refetch()} /> : null}
      {!shown && !error ? <Skeleton className="my-3 h-20" /> : null}
      <ul>
        {grants.map((grant) => (
          <li key={keyOf(grant.subject)} className="flex items-center gap-2 border-b py-1.5">
            <span className="min-w-0 flex-1 truncate">{grant.subject.label}</span>
            <select
              aria-label={`What ${grant.subject.label} may do`}
              value={grant.access}
              onChange={(event) =>
                save(
                  grants.map((one) =>
                    one === grant ? { ...grant, access: event.target.value as Grant["access"] } : one,
                  ),
                )
              }
              className="control h-8! min-h-0! w-34! py-0!"
            >
              {ACCESSES.map(([access, words]) => (
                <option key={access} value={access}>
                  {words}
                </option>
              ))}
            </select>
            <IconButton
              label={`Take ${grant.subject.label} out`}
              icon={<X />}
              onClick={() => save(grants.filter((one) => one !== grant))}
            />
          </li>
        ))}
      </ul>
      {shown ? (
        <div className="pt-3">
          <PickOne
            key={grants.length}
            aria-label="Grant to someone"
            choices={choices.map(({ choice }) => choice)}
            value=""
            placeholder="Grant to a person, a group or everybody"
            empty="Nobody else by that name."
            onChange={(id) => {
              const chosen = choices.find(({ choice }) => choice.id === id);
              if (chosen) save([...grants, { subject: chosen.subject, access: "query" }]);
            }}
          />
        </div>
      ) : null}
    </Section>
  );
}

interface SubjectChoice {
  choice: Choice;
  subject: Grant["subject"];
}

function keyOf({ userId, groupId }: Grant["subject"]): string {
  return userId ?? groupId ?? "workspace";
}

/** Everybody who has no grant yet. */
function useSubjects(grants: Grant[]): SubjectChoice[] {
  const { data: people } = useQuery(peopleQuery);
  const { data: groups } = useQuery(groupsQuery);
  return useMemo(() => {
    const taken = new Set(grants.map(({ subject }) => keyOf(subject)));
    const none = { userId: null, groupId: null, workspace: false };
    const all: SubjectChoice[] = [
      {
        choice: { id: "workspace", label: "Everybody in the workspace" },
        subject: { ...none, workspace: true, label: "Everybody in the workspace" },
      },
      ...(groups?.values ?? []).map(({ id, name }) => ({
        choice: { id, label: name, detail: "Group" },
        subject: { ...none, groupId: id, label: name },
      })),
      ...(people?.values ?? []).map(({ id, name, email }) => ({
        choice: { id, label: name, detail: email },
        subject: { ...none, userId: id, label: name },
      })),
    ];
    return all.filter(({ choice }) => !taken.has(choice.id));
  }, [grants, people, groups]);
}
