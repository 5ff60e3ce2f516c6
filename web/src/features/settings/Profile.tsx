import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Controller, useForm } from "react-hook-form";

import { ApiError, errorMessage } from "@/api/error";
import { meQuery, updateMe } from "@/api/queries/session";
import type { Me } from "@/api/types";
import { Button } from "@/components/ui/button";
import { PickOne } from "@/components/ui/combobox";
import { Field } from "@/components/ui/field";
import { Notice } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { say } from "@/components/ui/toast";
import { placeIssues } from "@/lib/form";
import { browserZone } from "@/lib/time";
import { useNow } from "@/lib/use-now";
import { allZones } from "@/lib/zones";

export function Profile() {
  const { data: me } = useQuery(meQuery);
  return <Section title="Profile">{me ? <ProfileForm me={me} /> : null}</Section>;
}

const FIELDS = ["name", "timezone"] as const;

function ProfileForm({ me }: { me: Me }) {
  const queryClient = useQueryClient();
  const now = useNow(3_600_000);
  const zones = useMemo(
    () =>
      allZones([me.timezone, browserZone()], now).map(({ name, label, offset }) => ({
        id: name,
        label,
        detail: offset,
      })),
    [me.timezone, now],
  );
  const form = useForm({ defaultValues: { name: me.name, timezone: me.timezone } });
  const { register, control, formState } = form;
  const [failure, setFailure] = useState<string>();

  const save = form.handleSubmit(async (values) => {
    setFailure(undefined);
    try {
      const saved = await updateMe(values);
      queryClient.setQueryData(meQuery.queryKey, saved);
      form.reset({ name: saved.name, timezone: saved.timezone });
      say("Saved.");
    } catch (error) {
      const { placed, rest } = placeIssues(error instanceof ApiError ? error.issues : [], FIELDS);
      for (const [field, message] of placed) form.setError(field as (typeof FIELDS)[number], { message });
      if (placed.size === 0 || rest.length > 0) setFailure(errorMessage(error));
    }
  });

  return (
    <form noValidate onSubmit={(event) => void save(event)} className="space-y-5 pt-4">
      <Field label="Name" error={formState.errors.name?.message}>
        <input type="text" autoComplete="name" className="control" {...register("name")} />
      </Field>
      <Field label="Email" hint="Where messages for you go; an administrator can change it">
        <input type="email" readOnly value={me.email} className="control text-ink-2!" />
      </Field>
      <Controller
        control={control}
        name="timezone"
        render={({ field }) => (
          <Field
            label="Time zone"
            hint="Times are shown in it, and new tasks start with it"
            error={formState.errors.timezone?.message}
          >
            <PickOne
              choices={zones}
              value={field.value}
              onChange={field.onChange}
              empty="No such zone. Search by city or by offset."
            />
          </Field>
        )}
      />
      {failure ? <Notice tone="bad">{failure}</Notice> : null}
      <Button
        type="submit"
        look="primary"
        busy={formState.isSubmitting}
        disabledReason={formState.isDirty ? undefined : "Nothing was changed."}
      >
        Save
      </Button>
    </form>
  );
}
