import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Controller, useFormContext, useWatch } from "react-hook-form";

import { connectionsQuery } from "@/api/queries/connections";
import { groupsQuery, peopleQuery, reachQuery } from "@/api/queries/people";
import type { Me } from "@/api/types";
import { PickMany } from "@/components/ui/combobox";
import { Field } from "@/components/ui/field";
import { reachInWords } from "@/lib/audience";
import { counted } from "@/lib/number";

import { Audience } from "./Audience";
import { SlackChannelFields } from "./SlackChannelFields";
import { mentionedConnections, type TaskFormValues } from "./task-form";

const LACKING = "They could not be loaded. Reload the page to try again.";

/** Who is told, what goes along, and what each will be able to see. */
export function NotificationFields({ me }: { me: Me }) {
  const { control, register, formState } = useFormContext<TaskFormValues>();
  const { data: people, isError: lacksPeople } = useQuery(peopleQuery);
  const { data: groups, isError: lacksGroups } = useQuery(groupsQuery);
  const { data: reach } = useQuery(reachQuery);
  const userIds = useWatch({ control, name: "notification.userIds" });
  const errors = formState.errors.notification;

  const personChoices = useMemo(() => {
    const reachOf = new Map((reach ?? []).map((member) => [member.id, member]));
    const present = (people?.values ?? []).map(({ id, name, email }) => {
      const member = reachOf.get(id);
      return { id, label: name, detail: email, note: member && reachInWords(member) };
    });
    // Nobody chooses them any more, and who chose them before sees why they are not told.
    const gone = (reach ?? [])
      .filter(({ id, isDeactivated }) => isDeactivated && userIds.includes(id))
      .map((member) => ({ id: member.id, label: `${member.name} (deactivated)`, note: reachInWords(member) }));
    return [...present, ...gone];
  }, [people, reach, userIds]);
  const groupChoices = useMemo(
    () =>
      (groups?.values ?? []).map(({ id, name, memberCount }) => ({
        id,
        label: name,
        detail: counted(memberCount, "member"),
      })),
    [groups],
  );

  return (
    <div className="space-y-5">
      <Controller
        control={control}
        name="notification.userIds"
        render={({ field }) => (
          <Field label="People" hint="Each by email or Slack, as they prefer" error={errors?.userIds?.message}>
            <PickMany
              choices={personChoices}
              value={field.value}
              onChange={field.onChange}
              placeholder="Add people"
              empty={lacksPeople ? LACKING : "Nobody by that name in this workspace."}
            />
          </Field>
        )}
      />
      <Controller
        control={control}
        name="notification.groupIds"
        render={({ field }) => (
          <Field label="Groups" error={errors?.groupIds?.message}>
            <PickMany
              choices={groupChoices}
              value={field.value}
              onChange={field.onChange}
              placeholder="Add groups"
              empty={
                lacksGroups
                  ? LACKING
                  : groupChoices.length === 0
                    ? "This workspace has no groups."
                    : "No group by that name."
              }
            />
          </Field>
        )}
      />
      <SlackChannelFields me={me} />
      <label className="flex items-center gap-2.5">
        <input type="checkbox" className="size-4 accent-accent" {...register("notification.attachCsv")} />
        Attach the first table as CSV
      </label>
      <WhoSeesWhat />
    </div>
  );
}

function WhoSeesWhat() {
  const { control } = useFormContext<TaskFormValues>();
  const [prompt, notification] = useWatch({ control, name: ["prompt", "notification"] });
  const { data: connections } = useQuery(connectionsQuery);
  const mentioned = new Set(mentionedConnections(prompt));
  const connectionIds = (connections?.values ?? []).flatMap(({ id }) => (mentioned.has(id) ? [id] : []));
  return (
    <section aria-label="Who will see what">
      <h3 className="mb-1 text-sm font-medium">Who will see what</h3>
      <Audience connectionIds={connectionIds} notification={notification} />
    </section>
  );
}
