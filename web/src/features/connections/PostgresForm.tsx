import { valibotResolver } from "@hookform/resolvers/valibot";
import { useState } from "react";
import { useForm } from "react-hook-form";
import * as v from "valibot";

import { createConnection, testUnsavedConnection } from "@/api/queries/connections";
import type { DataConnection } from "@/api/types";
import { Field } from "@/components/ui/field";

import { FormEnd, Name, placeRefusal, required } from "./connection-form";

const Postgres = v.object({
  name: Name,
  description: v.string(),
  hostname: required("Enter the host's name or address."),
  port: v.pipe(v.number("Enter a port."), v.integer(), v.minValue(1), v.maxValue(65_535, "Ports end at 65535.")),
  database: required("Enter the database's name."),
  username: required("Enter a user. One that can only read is best."),
  password: v.string(),
});

type Values = v.InferOutput<typeof Postgres>;

const FIELDS = ["name", "description", "hostname", "port", "database", "username", "password"] as const;

function toBody({ name, description, ...postgres }: Values) {
  return { name, type: "postgres", description: description.trim() || null, connectionDetails: { postgres } };
}

const rename = (path: string) => path.replace("connectionDetails.postgres.", "");

export function PostgresForm({ onCreated }: { onCreated: (connection: DataConnection) => Promise<void> }) {
  const form = useForm({
    resolver: valibotResolver(Postgres),
    defaultValues: { name: "", description: "", hostname: "", port: 5432, database: "", username: "", password: "" },
  });
  const { register, formState } = form;
  const { errors } = formState;
  const [failure, setFailure] = useState<string>();

  const save = form.handleSubmit(async (values) => {
    setFailure(undefined);
    try {
      await onCreated(await createConnection(toBody(values)));
    } catch (error) {
      setFailure(placeRefusal(form, error, FIELDS, rename));
    }
  });
  const test = async () => {
    if (!(await form.trigger(["hostname", "port", "database", "username", "password"]))) return undefined;
    return testUnsavedConnection(toBody(form.getValues()));
  };

  return (
    <form noValidate onSubmit={(event) => void save(event)} className="max-w-[38rem] space-y-5">
      <Field label="Name" hint="What people mention in their questions" error={errors.name?.message}>
        <input type="text" autoComplete="off" className="control" {...register("name")} />
      </Field>
      <Field
        label="Description"
        hint="Optional: what is in it, for people and for the agent"
        error={errors.description?.message}
      >
        <input type="text" autoComplete="off" className="control" {...register("description")} />
      </Field>
      <div className="grid gap-5 sm:grid-cols-[1fr_7rem]">
        <Field label="Host" error={errors.hostname?.message}>
          <input type="text" autoComplete="off" spellCheck={false} className="control" {...register("hostname")} />
        </Field>
        <Field label="Port" error={errors.port?.message}>
          <input
            type="text"
            inputMode="numeric"
            className="control tabular"
            {...register("port", { valueAsNumber: true })}
          />
        </Field>
      </div>
      <Field label="Database" error={errors.database?.message}>
        <input type="text" autoComplete="off" spellCheck={false} className="control" {...register("database")} />
      </Field>
      <div className="grid gap-5 sm:grid-cols-2">
        <Field label="User" error={errors.username?.message}>
          <input type="text" autoComplete="off" spellCheck={false} className="control" {...register("username")} />
        </Field>
        <Field label="Password" hint="Kept encrypted, never shown again" error={errors.password?.message}>
          <input type="password" autoComplete="new-password" className="control" {...register("password")} />
        </Field>
      </div>
      <FormEnd failure={failure} isSaving={formState.isSubmitting} saveLabel="Connect" test={test} />
    </form>
  );
}
