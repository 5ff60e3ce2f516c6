import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Controller, useForm, useWatch } from "react-hook-form";

import { catalogQuery } from "@/api/queries/connections";
import type { ColumnType, DataConnection, FreshnessCheck } from "@/api/types";
import { Button } from "@/components/ui/button";
import { PickOne, type Choice } from "@/components/ui/combobox";
import { Dialog } from "@/components/ui/dialog";
import { Field, FieldGroup } from "@/components/ui/field";
import { LoadError, Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { AGE_UNITS } from "@/lib/freshness";

import { placeRefusal } from "./connection-form";
import { FIELDS, formPath, FreshnessForm, fromFreshnessForm, toFreshnessForm } from "./freshness-form";

const TEMPORAL: ReadonlySet<ColumnType> = new Set<ColumnType>(["date", "timestamp", "timestamp_tz"]);

interface FreshnessDialogProps {
  connection: DataConnection;
  /** Saves the check, and closes the dialog. */
  save: (check: FreshnessCheck) => Promise<void>;
  onClose: () => void;
}

/** Says how the age of a connection's data is known. It is tried out as it is saved. */
export function FreshnessDialog({ connection, save, onClose }: FreshnessDialogProps) {
  const { data: catalog, error, refetch } = useQuery(catalogQuery(connection.id));
  const form = useForm({
    resolver: valibotResolver(FreshnessForm),
    defaultValues: toFreshnessForm(connection.freshness),
  });
  const { register, control, setValue, formState } = form;
  const { errors } = formState;
  const [table, column] = useWatch({ control, name: ["table", "column"] });
  const [failure, setFailure] = useState<string>();

  const columnsOf = (name: string) =>
    catalog?.tables
      .find((one) => one.table === name)
      ?.columns.filter(({ type }) => TEMPORAL.has(type))
      .map((one) => one.name) ?? [];
  // What is set stays to be seen, even where the catalog no longer has it.
  const columns = withChosen(columnsOf(table), column);
  const tables: Choice[] = withChosen(catalog?.tables.map((one) => one.table) ?? [], table).map((name) => ({
    id: name,
    label: name,
    detail: columnsOf(name).length > 0 ? "" : "no dates or times",
  }));

  const submit = form.handleSubmit(async (values) => {
    setFailure(undefined);
    try {
      await save(fromFreshnessForm(values));
    } catch (refusal) {
      setFailure(placeRefusal(form, refusal, FIELDS, formPath));
    }
  });

  return (
    <Dialog open onClose={onClose} title="Freshness check">
      <p className="text-ink-2">
        Tasks that wait for fresh data wait until the newest value of this column is young enough.
      </p>
      {error ? <LoadError error={error} what="The tables" onRetry={() => void refetch()} /> : null}
      {!catalog && !error ? <Skeleton className="mt-4 h-40" /> : null}
      {catalog ? (
        <form noValidate onSubmit={(event) => void submit(event)} className="mt-4 space-y-4">
          <Controller
            control={control}
            name="table"
            render={({ field }) => (
              <Field label="Table" error={errors.table?.message}>
                <PickOne
                  choices={tables}
                  value={field.value}
                  onChange={(name) => {
                    field.onChange(name);
                    setValue("column", columnsOf(name)[0] ?? "", { shouldValidate: formState.isSubmitted });
                  }}
                  placeholder="Search tables"
                  empty="No table by that name."
                />
              </Field>
            )}
          />
          <Field
            label="Column"
            hint="A date counts from its midnight; what has no time zone is read as UTC."
            error={errors.column?.message}
          >
            <select className="control" {...register("column")}>
              {columns.length === 0 ? (
                <option value="">{table ? "None of dates or times in this table" : "Choose a table first"}</option>
              ) : null}
              {columns.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </Field>
          <FieldGroup
            legend="Fresh while it is at most"
            hint="Counted when a task's window opens"
            error={errors.amount?.message}
          >
            <div className="flex items-center gap-2">
              <input
                type="text"
                inputMode="numeric"
                autoComplete="off"
                aria-label="How many"
                aria-invalid={errors.amount !== undefined}
                className="control tabular w-20!"
                {...register("amount")}
              />
              <select aria-label="Minutes, hours or days" className="control w-auto!" {...register("unit")}>
                {AGE_UNITS.map((unit) => (
                  <option key={unit} value={unit}>
                    {unit}
                  </option>
                ))}
              </select>
              <span>old</span>
            </div>
          </FieldGroup>
          {failure ? <Notice tone="bad">{failure}</Notice> : null}
          <div className="flex justify-end gap-2">
            <Button onClick={onClose}>Cancel</Button>
            <Button type="submit" look="primary" busy={formState.isSubmitting}>
              {formState.isSubmitting ? "Trying it out…" : "Save"}
            </Button>
          </div>
        </form>
      ) : null}
    </Dialog>
  );
}

function withChosen(names: string[], chosen: string): string[] {
  return chosen === "" || names.includes(chosen) ? names : [chosen, ...names];
}
