import { useMemo } from "react";
import { Controller, useFormContext, useWatch } from "react-hook-form";

import { useReaderZone } from "@/components/reader";
import { PickOne } from "@/components/ui/combobox";
import { Field, FieldGroup } from "@/components/ui/field";
import { Segments } from "@/components/ui/segments";
import { NTH_NAMES, WEEKDAY_NAMES, WEEKDAYS, windowEnd } from "@/lib/schedule";
import { browserZone } from "@/lib/time";
import { useNow } from "@/lib/use-now";
import { allZones } from "@/lib/zones";

import type { TaskFormValues } from "./task-form";

const CADENCES = [
  ["daily", "Daily"],
  ["weekly", "Weekly"],
  ["monthly", "Monthly"],
] as const;

const HOURS = Array.from({ length: 24 }, (_, hour) => `${String(hour).padStart(2, "0")}:00`);

/** When the task fires: days, the two-hour window, the zone. */
export function ScheduleFields() {
  const { register, control, formState } = useFormContext<TaskFormValues>();
  const cadence = useWatch({ control, name: "schedule.cadence" });
  const errors = formState.errors.schedule;
  return (
    <div className="space-y-5">
      <FieldGroup legend="Repeat">
        <Segments choices={CADENCES} field={register("schedule.cadence")} />
      </FieldGroup>
      {cadence === "weekly" ? <Weekdays error={errors?.weekdays?.message} /> : null}
      {cadence === "monthly" ? <Monthly /> : null}
      <div className="grid gap-5 sm:grid-cols-[11rem_1fr]">
        <Field label="Delivered between" hint="A two-hour window" error={errors?.windowStart?.message}>
          <select className="control tabular" {...register("schedule.windowStart")}>
            {HOURS.map((hour) => (
              <option key={hour} value={hour}>
                {hour} and {windowEnd(hour)}
              </option>
            ))}
          </select>
        </Field>
        <ZoneField error={errors?.timezone?.message} />
      </div>
    </div>
  );
}

function Weekdays({ error }: { error: string | undefined }) {
  const { register } = useFormContext<TaskFormValues>();
  return (
    <FieldGroup legend="On" error={error}>
      <div className="flex flex-wrap gap-1.5">
        {WEEKDAYS.map((weekday) => (
          <label
            key={weekday}
            className="flex h-9 min-w-12 cursor-pointer items-center justify-center rounded-md border border-control px-2.5 text-ink-2 has-checked:border-accent has-checked:bg-accent-soft has-checked:font-medium has-checked:text-accent-strong has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent pointer-coarse:h-11"
          >
            <input type="checkbox" value={weekday} className="sr-only" {...register("schedule.weekdays")} />
            <span aria-hidden>{WEEKDAY_NAMES[weekday].slice(0, 3)}</span>
            <span className="sr-only">{WEEKDAY_NAMES[weekday]}</span>
          </label>
        ))}
      </div>
    </FieldGroup>
  );
}

function Monthly() {
  const { register, control, formState } = useFormContext<TaskFormValues>();
  const [by, day] = useWatch({ control, name: ["schedule.monthlyBy", "schedule.dayOfMonth"] });
  const errors = formState.errors.schedule;
  return (
    <FieldGroup legend="On" error={errors?.dayOfMonth?.message ?? errors?.nthWeekday?.message}>
      <div className="space-y-2">
        <div className="flex flex-wrap items-center gap-2">
          <label className="flex w-20 items-center gap-2">
            <input type="radio" value="day" className="accent-accent" {...register("schedule.monthlyBy")} />
            Day
          </label>
          <select
            aria-label="Day of the month"
            className="control w-24! tabular"
            {...register("schedule.dayOfMonth", { valueAsNumber: true, onChange: undefined })}
            disabled={by !== "day"}
          >
            {Array.from({ length: 31 }, (_, index) => (
              <option key={index} value={index + 1}>
                {index + 1}
              </option>
            ))}
          </select>
          {by === "day" && day > 28 ? (
            <span className="text-sm text-ink-3">
              {day === 31 ? "Always the last day of the month" : "In shorter months, the last day"}
            </span>
          ) : null}
        </div>
        <div className="flex flex-wrap items-center gap-2">
          <label className="flex w-20 items-center gap-2">
            <input type="radio" value="weekday" className="accent-accent" {...register("schedule.monthlyBy")} />
            The
          </label>
          <select
            aria-label="Which one"
            className="control w-28!"
            {...register("schedule.nth", { valueAsNumber: true })}
            disabled={by !== "weekday"}
          >
            {[1, 2, 3, 4, -1].map((n) => (
              <option key={n} value={n}>
                {NTH_NAMES[n]}
              </option>
            ))}
          </select>
          <select
            aria-label="Weekday"
            className="control w-36!"
            {...register("schedule.nthWeekday")}
            disabled={by !== "weekday"}
          >
            {WEEKDAYS.map((weekday) => (
              <option key={weekday} value={weekday}>
                {WEEKDAY_NAMES[weekday]}
              </option>
            ))}
          </select>
        </div>
      </div>
    </FieldGroup>
  );
}

function ZoneField({ error }: { error: string | undefined }) {
  const { control } = useFormContext<TaskFormValues>();
  const readerZone = useReaderZone();
  const now = useNow(3_600_000);
  const choices = useMemo(
    () =>
      allZones([readerZone, browserZone()], now).map(({ name, label, offset }) => ({
        id: name,
        label,
        detail: offset,
      })),
    [readerZone, now],
  );
  return (
    <Controller
      control={control}
      name="schedule.timezone"
      render={({ field }) => (
        <Field label="Time zone" error={error}>
          <PickOne
            choices={choices}
            value={field.value}
            onChange={field.onChange}
            placeholder="Search zones"
            empty="No such zone. Search by city or by offset."
          />
        </Field>
      )}
    />
  );
}
