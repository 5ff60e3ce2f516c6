import { useFormContext } from "react-hook-form";

import { Field } from "@/components/ui/field";

import type { TaskFormValues } from "./task-form";

/** The most that the task may cost. */
export function CapFields() {
  const { register, formState } = useFormContext<TaskFormValues>();
  const errors = formState.errors.caps;
  return (
    <div className="space-y-3">
      <div className="flex flex-wrap gap-4">
        <Field label="Credits a run" error={errors?.perRun?.message} className="w-44">
          <input
            type="text"
            inputMode="decimal"
            autoComplete="off"
            placeholder="No cap"
            className="control"
            {...register("caps.perRun")}
          />
        </Field>
        <Field label="Credits a month" error={errors?.perMonth?.message} className="w-44">
          <input
            type="text"
            inputMode="decimal"
            autoComplete="off"
            placeholder="No cap"
            className="control"
            {...register("caps.perMonth")}
          />
        </Field>
      </div>
      <p className="max-w-[60ch] text-sm text-ink-3">
        A run that reaches its cap is answered with what it has. From 80% of the month’s cap on you are told and a
        cheaper model answers, where one is set up; at the cap its runs end at once, until the next month.
      </p>
    </div>
  );
}
