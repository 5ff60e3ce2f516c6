import { useId } from "react";
import { useFormContext, useWatch } from "react-hook-form";

import { Button } from "@/components/ui/button";
import { Field, FieldError } from "@/components/ui/field";
import { addMonths, dateInWords, localDate } from "@/lib/time";
import { useNow } from "@/lib/use-now";

import type { TaskFormValues } from "./task-form";

/** Until when the task fires. */
export function ExpirationField({ mayNeverExpire }: { mayNeverExpire: boolean }) {
  const { register, control, setValue, formState } = useFormContext<TaskFormValues>();
  const [expiresOn, neverExpires, zone] = useWatch({
    control,
    name: ["expiresOn", "neverExpires", "schedule.timezone"],
  });
  const now = useNow();
  const endlessId = useId();
  const extend = () => setValue("expiresOn", addMonths(now, 6, zone), { shouldDirty: true, shouldValidate: true });
  return (
    <div className="space-y-3">
      {neverExpires ? null : (
        <div className="flex flex-wrap items-start gap-2">
          <Field label="Last day" error={formState.errors.expiresOn?.message}>
            <input type="date" min={localDate(now, zone)} className="control w-44!" {...register("expiresOn")} />
          </Field>
          <Button onClick={extend} className="mt-6">
            Six months from today
          </Button>
          {expiresOn ? (
            <p className="basis-full text-sm text-ink-3">{dateInWords(expiresOn)}. You are told a week before.</p>
          ) : null}
        </div>
      )}
      {mayNeverExpire || neverExpires ? (
        <div>
          <label className="flex items-center gap-2.5">
            <input
              type="checkbox"
              className="size-4 accent-accent"
              aria-describedby={mayNeverExpire ? undefined : endlessId}
              {...register("neverExpires")}
            />
            Never expires
          </label>
          {mayNeverExpire ? null : (
            <p id={endlessId} className="pl-6.5 text-sm text-ink-3">
              This workspace no longer allows it. Untick it and choose a last day to save the task.
            </p>
          )}
          {neverExpires ? <FieldError message={formState.errors.expiresOn?.message} /> : null}
        </div>
      ) : null}
    </div>
  );
}
