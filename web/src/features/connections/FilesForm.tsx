import { valibotResolver } from "@hookform/resolvers/valibot";
import { useState } from "react";
import { useForm } from "react-hook-form";
import * as v from "valibot";

import { createConnection, testUnsavedConnection } from "@/api/queries/connections";
import type { DataConnection } from "@/api/types";
import { Field } from "@/components/ui/field";

import { FormEnd, Name, placeRefusal, required } from "./connection-form";

const Files = v.object({ name: Name, description: v.string(), path: required("Enter a folder or a file.") });

type Values = v.InferOutput<typeof Files>;

const FIELDS = ["name", "description", "path"] as const;

function toBody({ name, description, path }: Values) {
  return { name, type: "files", description: description.trim() || null, connectionDetails: { files: { path } } };
}

const rename = (path: string) => path.replace("connectionDetails.files.", "");

export function FilesForm({ onCreated }: { onCreated: (connection: DataConnection) => Promise<void> }) {
  const form = useForm({ resolver: valibotResolver(Files), defaultValues: { name: "", description: "", path: "" } });
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
    if (!(await form.trigger("path"))) return undefined;
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
      <Field
        label="Path"
        hint="On the server, inside a folder that its operator allows (TIDINGS_FILES_ALLOWED). Each file is a table."
        error={errors.path?.message}
      >
        <input
          type="text"
          autoComplete="off"
          spellCheck={false}
          placeholder="/srv/data/sales"
          className="control"
          {...register("path")}
        />
      </Field>
      <FormEnd failure={failure} isSaving={formState.isSubmitting} saveLabel="Connect" test={test} />
    </form>
  );
}
