import { ChevronRight } from "lucide-react";
import { useId, useState } from "react";
import { useFormContext, useWatch } from "react-hook-form";

import type { Condition } from "@/api/types";
import { Field, FieldError, FieldGroup } from "@/components/ui/field";
import { Segments } from "@/components/ui/segments";

import { COMPARISONS, DIRECTIONS, isAboutValue, KINDS } from "./condition-form";
import type { TaskFormValues } from "./task-form";

const SEND = [
  ["always", "Always"],
  ["when", "On a condition"],
] as const;

const VALUE_RULE =
  "The value is read off the result that answers the question: the latest one of a series over time, the top one of a ranking.";

/** What a kind of condition looks at. */
const RULES: Record<Condition["kind"], string> = {
  threshold: VALUE_RULE,
  percent_change: `${VALUE_RULE} It is compared with the last run's; the first run has none, and is sent.`,
  anomaly: `${VALUE_RULE} What is usual is told by the values before it, and takes seven of them; until then all is sent.`,
  rows: "The rows of the result that answers the question are counted.",
  changed: "The rows are compared with the last run's, in whatever order; the first run has none, and is sent.",
  no_data: "It holds when the result has no rows, or nothing but empty values in them.",
};

/** When the answer is sent: always, or only when a condition holds on what was found. */
export function ConditionFields() {
  const { register, control } = useFormContext<TaskFormValues>();
  const send = useWatch({ control, name: "condition.send" });
  return (
    <div className="space-y-4">
      <FieldGroup legend="Send the answer">
        <Segments choices={SEND} field={register("condition.send")} />
      </FieldGroup>
      {send === "when" ? <ConditionSentence /> : null}
    </div>
  );
}

/** The condition as one sentence with its parts to fill in. */
function ConditionSentence() {
  const { register, control, formState } = useFormContext<TaskFormValues>();
  const kind = useWatch({ control, name: "condition.kind" });
  const errors = formState.errors.condition;
  const id = useId();
  const problems = [errors?.kind, errors?.comparison, errors?.value, errors?.direction, errors?.percent];
  const error = problems.flatMap((problem) => problem?.message ?? []).join(" ") || undefined;
  const described = { "aria-describedby": error ? `${id}-error ${id}-rule` : `${id}-rule` };

  return (
    <div className="space-y-3">
      <div role="group" aria-label="Only when" className="flex flex-wrap items-center gap-x-2 gap-y-2">
        <span>Only when</span>
        <select
          aria-label="What must hold"
          className="control w-auto!"
          {...described}
          aria-invalid={errors?.kind !== undefined}
          {...register("condition.kind")}
        >
          <Options choices={KINDS} />
        </select>
        {kind === "threshold" || kind === "rows" ? (
          <>
            <select aria-label="Comparison" className="control w-auto!" {...register("condition.comparison")}>
              <Options choices={COMPARISONS} />
            </select>
            <input
              type="text"
              inputMode="decimal"
              autoComplete="off"
              aria-label="Number"
              className="control tabular w-28!"
              {...described}
              aria-invalid={errors?.value !== undefined}
              {...register("condition.value")}
            />
          </>
        ) : null}
        {kind === "percent_change" ? (
          <>
            <select aria-label="Direction" className="control w-auto!" {...register("condition.direction")}>
              <Options choices={DIRECTIONS} />
            </select>
            <span>by at least</span>
            <input
              type="text"
              inputMode="decimal"
              autoComplete="off"
              aria-label="Per cent"
              className="control tabular w-20!"
              {...described}
              aria-invalid={errors?.percent !== undefined}
              {...register("condition.percent")}
            />
            <span>% since the last run</span>
          </>
        ) : null}
        {kind === "changed" ? <span>since the last run</span> : null}
        {kind === "anomaly" ? <span>for its own history</span> : null}
      </div>
      <FieldError id={`${id}-error`} message={error} />
      {isAboutValue(kind) ? <ColumnName /> : null}
      <div id={`${id}-rule`} className="max-w-[68ch] space-y-1 text-sm text-ink-3">
        <p>{RULES[kind]}</p>
        <p>
          Where it does not hold, nothing is sent. The run is kept as “No news” with its numbers, and after a week
          without a message a note says so. What cannot be checked is sent, and says why.
        </p>
      </div>
    </div>
  );
}

/** Which column the value is in: for the agent to say, unless it is named here. */
function ColumnName() {
  const { register, getValues, formState } = useFormContext<TaskFormValues>();
  const error = formState.errors.condition?.column?.message;
  const [isUnfolded, setUnfolded] = useState(() => getValues("condition.column") !== "");
  const isOpen = isUnfolded || error !== undefined;
  return (
    <div>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => setUnfolded(!isOpen)}
        className="-ml-1 inline-flex items-center gap-1 rounded-sm px-1 text-sm text-ink-2 hover:text-ink pointer-coarse:min-h-11"
      >
        <ChevronRight aria-hidden className={`size-3.5 transition-transform ${isOpen ? "rotate-90" : ""}`} />
        More
      </button>
      {isOpen ? (
        <Field
          label="Column of the value"
          hint="Left empty, the agent names the column that the question is about."
          error={error}
          className="mt-1 max-w-72"
        >
          <input
            type="text"
            autoComplete="off"
            spellCheck={false}
            maxLength={200}
            className="control"
            {...register("condition.column")}
          />
        </Field>
      ) : null}
    </div>
  );
}

function Options({ choices }: { choices: readonly (readonly [value: string, label: string])[] }) {
  return choices.map(([value, label]) => (
    <option key={value} value={value}>
      {label}
    </option>
  ));
}
