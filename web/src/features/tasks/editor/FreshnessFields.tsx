import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Controller, useFormContext, useWatch } from "react-hook-form";

import { connectionsQuery } from "@/api/queries/connections";
import type { DataConnection } from "@/api/types";
import { FieldGroup } from "@/components/ui/field";
import { Notice } from "@/components/ui/notice";
import { Segments } from "@/components/ui/segments";
import { Skeleton } from "@/components/ui/skeleton";
import { freshnessInWords } from "@/lib/freshness";

import { mentionedConnections, type TaskFormValues } from "./task-form";

const START = [
  ["planned", "As planned"],
  ["fresh", "Once the data is fresh"],
] as const;

const POLICIES = [
  ["send_stale", "Send all the same", "A line at the top says how old the data is."],
  ["skip", "Skip that day", "You are told, once for any number of days in a row."],
] as const;

/** Whether a run waits for fresh data, for whose, and what happens when it does not come. */
export function FreshnessFields() {
  const { register, control, formState } = useFormContext<TaskFormValues>();
  const start = useWatch({ control, name: "freshness.start" });
  return (
    <div className="space-y-5">
      <FieldGroup
        legend="Start"
        hint={
          start === "fresh"
            ? "A run that finds old data looks again every two minutes, until 1 h 45 min after its window opened. “Run now” does not wait."
            : undefined
        }
      >
        <Segments choices={START} field={register("freshness.start")} />
      </FieldGroup>
      {start === "fresh" ? (
        <>
          <FieldGroup
            legend="If the data is still not fresh then"
            error={formState.errors.freshness?.policy?.message}
            className="space-y-2"
          >
            {POLICIES.map(([value, label, detail]) => (
              <label key={value} className="flex items-start gap-2.5 py-0.5">
                <input
                  type="radio"
                  value={value}
                  className="mt-1 size-3.5 accent-accent"
                  {...register("freshness.policy")}
                />
                <span>
                  {label}
                  <span className="block text-sm text-ink-3">{detail}</span>
                </span>
              </label>
            ))}
          </FieldGroup>
          <WhoseData />
        </>
      ) : null}
    </div>
  );
}

/** The task's connections, each with how its freshness is known. */
function WhoseData() {
  const { control, formState } = useFormContext<TaskFormValues>();
  const prompt = useWatch({ control, name: "prompt" });
  // A check may be set in another tab meanwhile.
  const { data: connections } = useQuery({ ...connectionsQuery, refetchOnWindowFocus: "always" });
  if (!connections) return <Skeleton className="h-5 w-72" />;

  const mentionedIds = mentionedConnections(prompt);
  const isMentioned = mentionedIds.length > 0;
  const used = connections.values.filter(({ id, access }) =>
    isMentioned ? mentionedIds.includes(id) : access !== "view_results",
  );
  const isChoice = isMentioned && used.length > 1;
  return (
    <>
      <FieldGroup
        legend={isChoice ? "Data that must be fresh" : "Data that is waited for"}
        hint={isMentioned ? undefined : "The question mentions no data, so all that you may query counts."}
        error={formState.errors.freshness?.exceptIds?.message}
      >
        <Controller
          control={control}
          name="freshness.exceptIds"
          render={({ field: { value, onChange } }) => (
            <ul className="border-t">
              {used.map((connection) => (
                <ConnectionLine
                  key={connection.id}
                  connection={connection}
                  isCounted={!value.includes(connection.id)}
                  onCounted={
                    isChoice
                      ? (isCounted) =>
                          onChange(isCounted ? value.filter((id) => id !== connection.id) : [...value, connection.id])
                      : undefined
                  }
                />
              ))}
            </ul>
          )}
        />
      </FieldGroup>
      {used.some(({ freshness }) => freshness !== null) ? null : <NothingToWaitFor used={used} />}
    </>
  );
}

interface ConnectionLineProps {
  connection: DataConnection;
  isCounted: boolean;
  /** Absent where there is nothing to choose. */
  onCounted: ((isCounted: boolean) => void) | undefined;
}

function ConnectionLine({ connection: { id, name, freshness, access }, isCounted, onCounted }: ConnectionLineProps) {
  return (
    <li className="flex flex-wrap items-baseline gap-x-4 gap-y-0.5 border-b py-2">
      {onCounted ? (
        <label className="flex min-w-40 items-baseline gap-2.5">
          <input
            type="checkbox"
            className="size-4 translate-y-0.5 accent-accent"
            checked={isCounted}
            onChange={(event) => onCounted(event.target.checked)}
          />
          {name}
        </label>
      ) : (
        <span className="min-w-40">{name}</span>
      )}
      <span className="min-w-0 flex-1 basis-56 break-words text-ink-2">
        {freshness ? freshnessInWords(freshness) : "No freshness check: counts as fresh"}
      </span>
      {access === "manage" ? (
        <Link
          to="/data/$connectionId"
          params={{ connectionId: id }}
          target="_blank"
          className="link"
          aria-label={`${freshness ? "Change" : "Set"} the freshness check of ${name} in a new tab`}
        >
          {freshness ? "Change" : "Set one"}
        </Link>
      ) : null}
    </li>
  );
}

function NothingToWaitFor({ used }: { used: DataConnection[] }) {
  const mayManage = used.some(({ access }) => access === "manage");
  return (
    <Notice tone="warn">
      There is nothing to wait for yet: no data of this task says how its age is known.{" "}
      {mayManage
        ? "Set a freshness check above: a table, a column of dates or times in it, and how old the newest may be."
        : "Ask whoever manages it to set a freshness check on its page under Data."}
    </Notice>
  );
}
