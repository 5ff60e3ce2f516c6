import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useForm } from "react-hook-form";
import * as v from "valibot";

import { ApiError, errorMessage } from "@/api/error";
import { creditKeys, creditsQuery, grantCredits } from "@/api/queries/credits";
import type { CreditBalance } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { Notice } from "@/components/ui/notice";
import { say } from "@/components/ui/toast";
import { placeIssues } from "@/lib/form";
import { amount, readNumber } from "@/lib/number";

const FIELDS = ["amount", "note"] as const;

const Grant = v.object({
  amount: v.pipe(
    v.string(),
    v.check((text) => !Number.isNaN(readNumber(text)) && readNumber(text) !== 0, "Say how many, such as 500."),
  ),
  note: v.pipe(v.string(), v.trim(), v.maxLength(500, "Keep the note to 500 characters.")),
});

/** Gives the workspace credits, or takes some back. */
export function GrantDialog({ balance, onClose }: { balance: CreditBalance; onClose: () => void }) {
  const queryClient = useQueryClient();
  const form = useForm({ resolver: valibotResolver(Grant), defaultValues: { amount: "", note: "" } });
  const { register, formState } = form;
  const { errors } = formState;
  const [failure, setFailure] = useState<string>();

  const grant = form.handleSubmit(async (values) => {
    setFailure(undefined);
    try {
      const now = await grantCredits(readNumber(values.amount), values.note);
      queryClient.setQueryData(creditsQuery.queryKey, now);
      void queryClient.invalidateQueries({ queryKey: creditKeys.all });
      say(now.balance === null ? "Granted." : `Granted: ${amount(now.balance)} credits are left.`);
      onClose();
    } catch (error) {
      const { placed, rest } = placeIssues(error instanceof ApiError ? error.issues : [], FIELDS);
      for (const [field, message] of placed) form.setError(field as (typeof FIELDS)[number], { message });
      if (placed.size === 0 || rest.length > 0) setFailure(errorMessage(error));
    }
  });

  return (
    <Dialog open onClose={onClose} title="Grant credits">
      <form noValidate onSubmit={(event) => void grant(event)} className="space-y-4">
        {balance.unlimited ? (
          <Notice tone="warn">
            Nothing limits this workspace now. From the first grant on it has what was granted and no more: when that is
            used up, runs wait.
          </Notice>
        ) : null}
        <Field label="Credits" hint="With a minus before it, so many are taken back" error={errors.amount?.message}>
          <input
            type="text"
            inputMode="decimal"
            autoComplete="off"
            className="control tabular"
            {...register("amount")}
          />
        </Field>
        <Field label="What for" hint="For the audit log" error={errors.note?.message}>
          <input type="text" autoComplete="off" className="control" {...register("note")} />
        </Field>
        {failure ? <Notice tone="bad">{failure}</Notice> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary" busy={formState.isSubmitting}>
            Grant
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
