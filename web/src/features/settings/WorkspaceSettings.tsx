import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useForm } from "react-hook-form";

import { ApiError, errorMessage } from "@/api/error";
import { meQuery } from "@/api/queries/session";
import { replaceWorkspaceSettings, workspaceSettingsQuery } from "@/api/queries/settings";
import type { WorkspaceSettings as Settings } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Field, FieldError } from "@/components/ui/field";
import { LoadError, Notice } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { say } from "@/components/ui/toast";
import { asSentence, placeIssues } from "@/lib/form";

import {
  FIELDS,
  formPath,
  fromSettingsForm,
  toSettingsForm,
  WorkspaceSettingsForm,
  type WorkspaceSettingsValues,
} from "./workspace-settings-form";

/** For admins: how late the workspace's tasks may run, how many at once, and whether for ever. */
export function WorkspaceSettings() {
  const { data, error, refetch } = useQuery(workspaceSettingsQuery);
  return (
    <Section title="How tasks run">
      {error && !data ? <LoadError error={error} what="The settings" onRetry={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton className="mt-4 h-48 w-full" /> : null}
      {data ? <SettingsForm key={JSON.stringify(data)} settings={data} /> : null}
    </Section>
  );
}

function SettingsForm({ settings }: { settings: Settings }) {
  const queryClient = useQueryClient();
  const form = useForm({
    resolver: valibotResolver(WorkspaceSettingsForm),
    defaultValues: toSettingsForm(settings),
  });
  const { register, formState } = form;
  const { errors } = formState;
  const [failure, setFailure] = useState<string>();
  const endlessId = useId();

  const save = form.handleSubmit(async (values) => {
    setFailure(undefined);
    try {
      // What is on its way would tell what was before.
      await queryClient.cancelQueries(workspaceSettingsQuery);
      const saved = await replaceWorkspaceSettings(fromSettingsForm(values));
      form.reset(toSettingsForm(saved));
      queryClient.setQueryData(workspaceSettingsQuery.queryKey, saved);
      // The editor offers tasks without an end by what is told there.
      void queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
      say("Saved.");
    } catch (error) {
      if (!(error instanceof ApiError) || error.issues.length === 0) {
        setFailure(errorMessage(error));
        return;
      }
      const issues = error.issues.map((issue) => ({ ...issue, path: formPath(issue.path) }));
      const { placed, rest } = placeIssues(issues, FIELDS);
      for (const [field, message] of placed) form.setError(field as keyof WorkspaceSettingsValues, { message });
      if (rest.length > 0) setFailure(rest.map(({ message }) => asSentence(message)).join(" "));
    }
  });

  return (
    <form noValidate onSubmit={(event) => void save(event)} className="space-y-5 pt-4">
      <Field
        label="Grace period, in hours"
        hint="After an outage a task still runs, late, if its window closed less than this long ago. Otherwise that run is missed. 0: nothing runs late."
        error={errors.graceHours?.message}
      >
        <input
          type="text"
          inputMode="decimal"
          autoComplete="off"
          className="control w-32!"
          {...register("graceHours")}
        />
      </Field>
      <Field
        label="Runs at once"
        hint="Of tasks and threads together. What is more waits for its turn. Raise it as far as the model’s provider allows."
        error={errors.maxConcurrentRuns?.message}
      >
        <input
          type="text"
          inputMode="numeric"
          autoComplete="off"
          className="control w-32!"
          {...register("maxConcurrentRuns")}
        />
      </Field>
      <div>
        <label className="flex items-start gap-2.5">
          <input
            type="checkbox"
            className="mt-0.5 size-4 accent-accent"
            aria-describedby={endlessId}
            {...register("mayNeverExpire")}
          />
          Tasks may never expire
        </label>
        <p id={endlessId} className="pl-6.5 text-sm text-ink-3">
          Otherwise each needs a last day. A task that has none goes on, and needs one when it is next saved.
        </p>
        <FieldError message={errors.mayNeverExpire?.message} />
      </div>
      {failure ? <Notice tone="bad">{failure}</Notice> : null}
      <Button
        type="submit"
        look="primary"
        busy={formState.isSubmitting}
        disabledReason={formState.isDirty ? undefined : "Nothing has changed"}
      >
        Save settings
      </Button>
    </form>
  );
}
