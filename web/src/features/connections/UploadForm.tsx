import { valibotResolver } from "@hookform/resolvers/valibot";
import { FileUp, X } from "lucide-react";
import { useId, useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import * as v from "valibot";

import { uploadConnection } from "@/api/queries/connections";
import type { DataConnection } from "@/api/types";
import { IconButton } from "@/components/ui/button";
import { Field, FieldError } from "@/components/ui/field";
import { bytes } from "@/lib/number";

import { FormEnd, Name, placeRefusal } from "./connection-form";

const ACCEPTED = ".csv,.tsv,.csv.gz,.gz,.parquet,.json,.jsonl,.ndjson";

const Upload = v.object({
  name: Name,
  description: v.string(),
  files: v.pipe(v.array(v.instance(File)), v.minLength(1, "Choose at least one file.")),
});

const FIELDS = ["name", "description", "files"] as const;

export function UploadForm({ onCreated }: { onCreated: (connection: DataConnection) => Promise<void> }) {
  const form = useForm({
    resolver: valibotResolver(Upload),
    defaultValues: { name: "", description: "", files: [] as File[] },
  });
  const { register, formState, setValue } = form;
  const { errors } = formState;
  const files = useWatch({ control: form.control, name: "files" });
  const [failure, setFailure] = useState<string>();

  const setFiles = (chosen: File[]) => setValue("files", chosen, { shouldValidate: formState.isSubmitted });
  const add = (more: FileList | null) => {
    const added = [...(more ?? [])].filter(({ name }) => !files.some((file) => file.name === name));
    setFiles([...files, ...added]);
  };
  const save = form.handleSubmit(async ({ name, description, files: chosen }) => {
    setFailure(undefined);
    const body = new FormData();
    body.set("name", name);
    if (description.trim()) body.set("description", description.trim());
    for (const file of chosen) body.append("files", file);
    try {
      await onCreated(await uploadConnection(body));
    } catch (error) {
      setFailure(placeRefusal(form, error, FIELDS));
    }
  });

  return (
    <form noValidate onSubmit={(event) => void save(event)} className="max-w-[38rem] space-y-5">
      <FilePicker
        files={files}
        onAdd={add}
        onRemove={(file) => setFiles(files.filter((one) => one !== file))}
        error={errors.files?.message}
      />
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
      <FormEnd failure={failure} isSaving={formState.isSubmitting} saveLabel="Upload and connect" />
    </form>
  );
}

interface FilePickerProps {
  files: File[];
  onAdd: (files: FileList | null) => void;
  onRemove: (file: File) => void;
  error: string | undefined;
}

function FilePicker({ files, onAdd, onRemove, error }: FilePickerProps) {
  const id = useId();
  return (
    <div>
      <label
        htmlFor={id}
        className="relative flex cursor-pointer flex-col items-center gap-1 rounded-md border border-dashed border-control px-4 py-8 text-center hover:bg-sunk has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent"
      >
        <FileUp className="size-5 text-ink-3" aria-hidden />
        <span className="font-medium">Choose files, or drop them here</span>
        <span className="text-sm text-ink-3">
          CSV, gzipped CSV, Parquet, JSON. Each becomes a table, named as the file.
        </span>
        <input
          id={id}
          type="file"
          multiple
          accept={ACCEPTED}
          className="absolute inset-0 cursor-pointer opacity-0"
          onChange={(event) => {
            onAdd(event.target.files);
            event.target.value = "";
          }}
        />
      </label>
      <FieldError message={error} />
      {files.length > 0 ? (
        <ul className="mt-2 border-t">
          {files.map((file) => (
            <li key={file.name} className="flex items-center gap-3 border-b py-1">
              <span className="min-w-0 flex-1 truncate">{file.name}</span>
              <span className="tabular text-sm text-ink-3">{bytes(file.size)}</span>
              <IconButton label={`Remove ${file.name}`} icon={<X />} onClick={() => onRemove(file)} />
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}
