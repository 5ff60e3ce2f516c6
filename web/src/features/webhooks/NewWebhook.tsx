import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useForm } from "react-hook-form";
import * as v from "valibot";

import { errorMessage } from "@/api/error";
import { createWebhook, webhooksQuery } from "@/api/queries/webhooks";
import type { WebhookEvent } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, FieldGroup } from "@/components/ui/field";
import { Notice } from "@/components/ui/notice";

import { SecretDialog } from "./SecretDialog";
import { EVENTS } from "./words";

const Making = v.object({
  url: v.pipe(v.string(), v.trim(), v.nonEmpty("Say where to."), v.url("Give a whole address, with https://.")),
  description: v.pipe(v.string(), v.trim(), v.maxLength(200)),
  events: v.pipe(v.array(v.string()), v.minLength(1, "Choose at least one.")),
});

/** Asks for an address and what it is told, and shows the secret. */
export function NewWebhook({ onClose }: { onClose: () => void }) {
  const queryClient = useQueryClient();
  const form = useForm({
    resolver: valibotResolver(Making),
    defaultValues: { url: "", description: "", events: ["run.failed", "run.missed", "delivery.failed"] },
  });
  const { register, formState } = form;
  const [secret, setSecret] = useState<string>();
  const [failure, setFailure] = useState<string>();

  const make = form.handleSubmit(async ({ url, description, events }) => {
    setFailure(undefined);
    try {
      const made = await createWebhook({ url, description, events: events as WebhookEvent[] });
      setSecret(made.secret);
      await queryClient.invalidateQueries({ queryKey: webhooksQuery.queryKey });
    } catch (error) {
      setFailure(errorMessage(error));
    }
  });

  if (secret !== undefined) return <SecretDialog secret={secret} onClose={onClose} />;
  return (
    <Dialog open onClose={onClose} title="New webhook">
      <form noValidate onSubmit={(event) => void make(event)} className="space-y-4">
        <Field label="Address" hint="https, and reached from the open internet" error={formState.errors.url?.message}>
          <input type="url" autoComplete="off" className="control" {...register("url")} />
        </Field>
        <Field label="What it is for" error={formState.errors.description?.message}>
          <input type="text" autoComplete="off" className="control" {...register("description")} />
        </Field>
        <FieldGroup legend="Told when" error={formState.errors.events?.message}>
          <div className="space-y-1.5 pt-1">
            {EVENTS.map(([event, words]) => (
              <label key={event} className="flex items-baseline gap-2.5">
                <input
                  type="checkbox"
                  value={event}
                  className="size-4 self-center accent-accent"
                  {...register("events")}
                />
                {words}
                <code className="text-sm text-ink-3">{event}</code>
              </label>
            ))}
          </div>
        </FieldGroup>
        {failure ? <Notice tone="bad">{failure}</Notice> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={formState.isSubmitting}>
            Make webhook
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
