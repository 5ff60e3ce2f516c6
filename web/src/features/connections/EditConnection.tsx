import { useQueryClient } from "@tanstack/react-query";
import { Pencil } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";

import { connectionKeys, updateConnection } from "@/api/queries/connections";
import type { DataConnection } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { Notice } from "@/components/ui/notice";
import { say } from "@/components/ui/toast";
import { readNumber } from "@/lib/number";

import { placeRefusal } from "./connection-form";

const FIELDS = [
  "name",
  "description",
  "hostname",
  "port",
  "database",
  "username",
  "password",
  "path",
  "concurrentQueries",
] as const;

type Values = Record<(typeof FIELDS)[number], string>;

export function EditConnection({ connection }: { connection: DataConnection }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button onClick={() => setOpen(true)}>
        <Pencil aria-hidden />
        Edit
      </Button>
      {isOpen ? <EditDialog connection={connection} onClose={() => setOpen(false)} /> : null}
    </>
  );
}

/** What is left empty of the secrets stays as it is. */
function EditDialog({ connection, onClose }: { connection: DataConnection; onClose: () => void }) {
  const queryClient = useQueryClient();
  const { postgres, files } = connection.connectionDetails;
  const form = useForm<Values>({
    defaultValues: {
      name: connection.name,
      description: connection.description ?? "",
      hostname: postgres?.hostname ?? "",
      port: String(postgres?.port ?? ""),
      database: postgres?.database ?? "",
      username: postgres?.username ?? "",
      password: "",
      path: files?.path ?? "",
      concurrentQueries: String(connection.limits.concurrentQueries),
    },
  });
  const { register, formState } = form;
  const { errors } = formState;
  const [failure, setFailure] = useState<string>();

  const save = form.handleSubmit(async (values) => {
    setFailure(undefined);
    try {
      await updateConnection(connection.id, toChanges(connection, values));
      await queryClient.invalidateQueries({ queryKey: connectionKeys.all });
      say("Saved.");
      onClose();
    } catch (error) {
      setFailure(
        placeRefusal(form, error, FIELDS, (path) =>
          path.replace(/^(connectionDetails\.(postgres|files)|limits)\./, ""),
        ),
      );
    }
  });

  return (
    <Dialog open onClose={onClose} title={`Edit ${connection.name}`}>
      <form noValidate onSubmit={(event) => void save(event)} className="space-y-4">
        <Field label="Name" error={errors.name?.message}>
          <input type="text" autoComplete="off" className="control" {...register("name")} />
        </Field>
        <Field label="Description" error={errors.description?.message}>
          <input type="text" autoComplete="off" className="control" {...register("description")} />
        </Field>
        {postgres ? (
          <>
            <div className="grid grid-cols-[1fr_6rem] gap-4">
              <Field label="Host" error={errors.hostname?.message}>
                <input type="text" spellCheck={false} className="control" {...register("hostname")} />
              </Field>
              <Field label="Port" error={errors.port?.message}>
                <input type="text" inputMode="numeric" className="control tabular" {...register("port")} />
              </Field>
            </div>
            <Field label="Database" error={errors.database?.message}>
              <input type="text" spellCheck={false} className="control" {...register("database")} />
            </Field>
            <Field label="User" error={errors.username?.message}>
              <input type="text" spellCheck={false} autoComplete="off" className="control" {...register("username")} />
            </Field>
            <Field label="Password" hint="Leave it empty to keep the present one" error={errors.password?.message}>
              <input type="password" autoComplete="new-password" className="control" {...register("password")} />
            </Field>
          </>
        ) : null}
        {typeof files?.path === "string" ? (
          <Field label="Path" error={errors.path?.message}>
            <input type="text" spellCheck={false} className="control" {...register("path")} />
          </Field>
        ) : null}
        <Field
          label="Queries at once"
          hint="1 to 100, of all runs and questions together; further ones wait their turn"
          error={errors.concurrentQueries?.message}
        >
          <input
            type="text"
            inputMode="numeric"
            className="control tabular"
            {...register("concurrentQueries", {
              validate: (text) => Number.isInteger(readNumber(text)) || "Write a whole number from 1 to 100.",
            })}
          />
        </Field>
        {failure ? <Notice tone="bad">{failure}</Notice> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={formState.isSubmitting}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function toChanges(connection: DataConnection, values: Values) {
  const { name, description, hostname, port, database, username, password, path } = values;
  const limits = { concurrentQueries: readNumber(values.concurrentQueries) };
  const changes = { name: name.trim(), description: description.trim() || null, limits };
  const { postgres, files } = connection.connectionDetails;
  if (postgres) {
    const secrets = password ? { password } : {};
    return {
      ...changes,
      connectionDetails: { postgres: { hostname, port: Number(port), database, username, ...secrets } },
    };
  }
  if (typeof files?.path === "string" && files.path !== path)
    return { ...changes, connectionDetails: { files: { path } } };
  return changes;
}
