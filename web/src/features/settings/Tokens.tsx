import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useForm } from "react-hook-form";
import * as v from "valibot";

import { errorMessage } from "@/api/error";
import { createToken, deleteToken, tokensQuery } from "@/api/queries/settings";
import type { Token } from "@/api/types";
import { Time } from "@/components/time";
import { Button, IconButton } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { Dialog } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { LoadError, Notice } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { SkeletonRows } from "@/components/ui/skeleton";
import { deleteWithUndo, useHidden } from "@/components/undo";

/** Personal tokens for the API. */
export function Tokens() {
  const { data, error, refetch } = useQuery(tokensQuery);
  const [isMaking, setMaking] = useState(false);
  const hidden = useHidden();
  const tokens = data?.values.filter(({ id }) => !hidden.has(id));
  return (
    <Section
      title="API tokens"
      actions={
        <Button look="quiet" onClick={() => setMaking(true)}>
          <Plus aria-hidden />
          New token
        </Button>
      }
    >
      {error ? <LoadError error={error} what="Your tokens" onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonRows rows={2} label="Loading tokens" /> : null}
      {tokens?.length === 0 ? (
        <p className="py-3 text-ink-2">None. A token lets a program act as you through the API, until it expires.</p>
      ) : null}
      <ul>
        {tokens?.map((token) => (
          <TokenLine key={token.id} token={token} />
        ))}
      </ul>
      {isMaking ? <NewToken onClose={() => setMaking(false)} /> : null}
    </Section>
  );
}

function TokenLine({ token }: { token: Token }) {
  const queryClient = useQueryClient();
  return (
    <li className="flex items-center gap-3 border-b py-2">
      <div className="min-w-0 flex-1">
        <p className="truncate font-medium">{token.name}</p>
        <p className="flex flex-wrap gap-x-4 text-sm text-ink-3">
          <span>
            {token.expiresAt ? (
              <>
                Expires <Time at={token.expiresAt} look="inline" />
              </>
            ) : (
              "Never expires"
            )}
          </span>
          <span>
            {token.lastUsedAt ? (
              <>
                Used <Time at={token.lastUsedAt} look="relative" />
              </>
            ) : (
              "Never used"
            )}
          </span>
        </p>
      </div>
      <IconButton
        label={`Revoke ${token.name}`}
        icon={<Trash2 />}
        onClick={() =>
          deleteWithUndo({
            id: token.id,
            name: token.name,
            remove: () => deleteToken(token.id),
            settled: () => void queryClient.invalidateQueries({ queryKey: tokensQuery.queryKey }),
          })
        }
      />
    </li>
  );
}

const Making = v.object({
  name: v.pipe(v.string(), v.trim(), v.nonEmpty("Say what it is for."), v.maxLength(100)),
  days: v.string(),
});

function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString();
}

function NewToken({ onClose }: { onClose: () => void }) {
  const queryClient = useQueryClient();
  const form = useForm({ resolver: valibotResolver(Making), defaultValues: { name: "", days: "90" } });
  const { register, formState } = form;
  const [secret, setSecret] = useState<string>();
  const [failure, setFailure] = useState<string>();

  const make = form.handleSubmit(async ({ name, days }) => {
    setFailure(undefined);
    try {
      const { token } = await createToken({ name, expiresAt: inDays(Number(days)) });
      setSecret(token);
      await queryClient.invalidateQueries({ queryKey: tokensQuery.queryKey });
    } catch (error) {
      setFailure(errorMessage(error));
    }
  });

  if (secret !== undefined) {
    return (
      <Dialog
        open
        onClose={onClose}
        title="Your new token"
        actions={
          <Button look="primary" onClick={onClose}>
            Done
          </Button>
        }
      >
        <p className="text-ink-2">Copy it now: it is not shown again.</p>
        <div className="mt-3 flex items-center gap-2">
          <input
            readOnly
            aria-label="Token"
            value={secret}
            className="control sql"
            onFocus={(event) => event.target.select()}
          />
          <CopyButton text={secret} label="Copy token" />
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog open onClose={onClose} title="New token">
      <form noValidate onSubmit={(event) => void make(event)} className="space-y-4">
        <Field label="Name" hint="What it is for" error={formState.errors.name?.message}>
          <input type="text" autoComplete="off" className="control" {...register("name")} />
        </Field>
        <Field label="Expires">
          <select className="control" {...register("days")}>
            <option value="7">in 7 days</option>
            <option value="30">in 30 days</option>
            <option value="90">in 90 days</option>
            <option value="365">in a year</option>
          </select>
        </Field>
        {failure ? <Notice tone="bad">{failure}</Notice> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={formState.isSubmitting}>
            Make token
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
