import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useForm } from "react-hook-form";
import * as v from "valibot";

import { ApiError, errorMessage } from "@/api/error";
import { modelQuery, replaceModel, testModel } from "@/api/queries/model";
import { meQuery } from "@/api/queries/session";
import type { ModelBody, ModelSettings, ModelTestOutcome } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Notice } from "@/components/ui/notice";
import { say } from "@/components/ui/toast";
import { asSentence, placeIssues } from "@/lib/form";
import { durationInWords } from "@/lib/time";

const OwnModel = v.object({
  model: v.pipe(v.string(), v.trim(), v.nonEmpty("Name the model, as its provider does."), v.maxLength(200)),
  baseUrl: v.pipe(
    v.string(),
    v.trim(),
    v.union([v.literal(""), v.pipe(v.string(), v.url("Give a whole address, with https://."))]),
  ),
  apiKey: v.pipe(v.string(), v.trim()),
});

type Values = v.InferOutput<typeof OwnModel>;

const FIELDS = ["model", "baseUrl", "apiKey"] as const;

/** An empty key leaves the one that is kept. */
function toBody({ model, baseUrl, apiKey }: Values): ModelBody {
  return { model, baseUrl: baseUrl || null, apiKey: apiKey || null };
}

/** Where the workspace's own model is. The key that is kept is never shown, and stays unless another is given. */
export function OwnModelForm({ own }: { own: ModelSettings["own"] }) {
  const queryClient = useQueryClient();
  const form = useForm({
    resolver: valibotResolver(OwnModel),
    defaultValues: { model: own?.model ?? "", baseUrl: own?.baseUrl ?? "", apiKey: "" },
  });
  const { register, formState } = form;
  const { errors } = formState;
  const [failure, setFailure] = useState<string>();
  const [outcome, setOutcome] = useState<ModelTestOutcome>();
  const [isTesting, setTesting] = useState(false);

  const place = (error: unknown) => {
    if (!(error instanceof ApiError) || error.issues.length === 0) {
      setFailure(errorMessage(error));
      return;
    }
    const { placed, rest } = placeIssues(error.issues, FIELDS);
    for (const [field, message] of placed) form.setError(field as keyof Values, { message });
    if (rest.length > 0) setFailure(rest.map(({ message }) => asSentence(message)).join(" "));
  };
  const forget = () => {
    setFailure(undefined);
    setOutcome(undefined);
  };
  const save = form.handleSubmit(async (values) => {
    forget();
    try {
      // What is on its way would tell what was before.
      await queryClient.cancelQueries(modelQuery);
      queryClient.setQueryData(modelQuery.queryKey, await replaceModel(toBody(values)));
      void queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
      say("Saved. It answers from the next question on.");
    } catch (error) {
      place(error);
    }
  });
  const test = async () => {
    forget();
    if (!(await form.trigger())) return;
    setTesting(true);
    try {
      setOutcome(await testModel(toBody(form.getValues())));
    } catch (error) {
      place(error);
    } finally {
      setTesting(false);
    }
  };

  return (
    <form noValidate onSubmit={(event) => void save(event)} className="space-y-5 pt-4">
      <p className="text-ink-2">
        Any server that speaks OpenAI's Chat Completions with tools. It is then sent the questions, the names of tables
        and columns, and the rows that answers are made of; the server's model is sent nothing.
      </p>
      <Field label="Model" hint="Its name there, such as gpt-5" error={errors.model?.message}>
        <input type="text" autoComplete="off" spellCheck={false} className="control" {...register("model")} />
      </Field>
      <Field
        label="Address"
        hint="Up to and without /chat/completions: https, and reached from the open internet. Empty: OpenAI's own."
        error={errors.baseUrl?.message}
      >
        <input type="url" autoComplete="off" spellCheck={false} className="control" {...register("baseUrl")} />
      </Field>
      <Field
        label="Key"
        hint={
          own?.hasKey
            ? "Empty: the key that is kept stays. For another address it must be given again."
            : "Kept encrypted, never shown again"
        }
        error={errors.apiKey?.message}
      >
        <input type="password" autoComplete="new-password" className="control" {...register("apiKey")} />
      </Field>
      <div aria-live="polite" className="empty:hidden">
        {failure ? <Notice tone="bad">{failure}</Notice> : null}
        {outcome ? <Outcome outcome={outcome} /> : null}
      </div>
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="primary" busy={formState.isSubmitting}>
          {own ? "Save" : "Answer with it"}
        </Button>
        <Button busy={isTesting} onClick={() => void test()}>
          {isTesting ? "Asking…" : "Ask it for one word"}
        </Button>
      </div>
    </form>
  );
}

function Outcome({ outcome }: { outcome: ModelTestOutcome }) {
  if (!outcome.ok) return <Notice tone="bad">{asSentence(outcome.message ?? "It did not answer")}</Notice>;
  const said = outcome.said ? `It said “${outcome.said}”` : "It answered, without a word,";
  return (
    <Notice>
      {said} after {durationInWords(outcome.elapsedMs)}.
    </Notice>
  );
}
