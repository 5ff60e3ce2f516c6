import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQuery } from "@tanstack/react-query";
import { useBlocker } from "@tanstack/react-router";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { Controller, FormProvider, useForm, useFormContext, useWatch, type UseFormReturn } from "react-hook-form";

import { ApiError, errorMessage } from "@/api/error";
import { connectionsQuery } from "@/api/queries/connections";
import type { Me, Task, TaskBody } from "@/api/types";
import { PromptEditor } from "@/components/prompt-editor/lazy";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, FieldError } from "@/components/ui/field";
import { Notice } from "@/components/ui/notice";
import { asSentence, placeIssues } from "@/lib/form";
import { mentionsOf } from "@/lib/mention";
import { fromScheduleForm, joinWords } from "@/lib/schedule";

import { CapFields } from "./CapFields";
import { ConditionFields } from "./ConditionFields";
import { Estimate } from "./Estimate";
import { ExpirationField } from "./ExpirationField";
import { FreshnessFields } from "./FreshnessFields";
import { NextWindows } from "./NextWindows";
import { NotificationFields } from "./NotificationFields";
import { ScheduleFields } from "./ScheduleFields";
import { FIELDS, formPath, fromTaskForm, TaskForm, type TaskFormValues } from "./task-form";

interface TaskEditorProps {
  me: Me;
  initial: TaskFormValues;
  /** The task that is edited; absent for a new one. */
  task?: Task;
  save: (body: TaskBody) => Promise<Task>;
  /** After it was saved; with `test` a test to oneself is wanted as well. */
  onSaved: (task: Task, test: boolean) => Promise<void>;
  onCancel: () => void;
}

/** Everything about a task. Nothing is saved before it is said so, and nothing written is lost by leaving unasked. */
export function TaskEditor({ me, initial, task, save, onSaved, onCancel }: TaskEditorProps) {
  const form = useForm({ resolver: valibotResolver(TaskForm), defaultValues: initial });
  const [failure, setFailure] = useState<ReactNode>();
  const [saving, setSaving] = useState<"save" | "test" | null>(null);
  const isSaved = useRef(false);
  const { isDirty } = form.formState;

  const submit = (test: boolean) =>
    form.handleSubmit(
      async (values) => {
        setSaving(test ? "test" : "save");
        setFailure(undefined);
        try {
          const saved = await save(fromTaskForm(values, task));
          isSaved.current = true;
          await onSaved(saved, test);
        } catch (error) {
          setFailure(showRefusal(form, error));
        } finally {
          setSaving(null);
        }
      },
      () => setFailure("Some fields need a look; what is wrong stands beside each."),
    )();

  return (
    <FormProvider {...form}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit(false);
        }}
        className="grid gap-x-14 gap-y-8 xl:grid-cols-[minmax(0,46rem)_20rem]"
      >
        <TitleField autoFocus={!task} />
        <QuestionField task={task} onSubmit={() => void submit(false)} />
        <Part title="Schedule">
          <ScheduleFields />
        </Part>
        <aside className="xl:sticky xl:top-9 xl:col-start-2 xl:row-span-9 xl:row-start-1 xl:self-start">
          <Preview form={form} task={task} />
        </aside>
        <Part title="Notification">
          <NotificationFields me={me} />
        </Part>
        <Part title="Condition">
          <ConditionFields />
        </Part>
        <Part title="Fresh data">
          <FreshnessFields />
        </Part>
        <Part title="Caps">
          <CapFields />
        </Part>
        <Part title="Expiration">
          <ExpirationField mayNeverExpire={me.features.mayNeverExpire} />
        </Part>
        <div className="sticky bottom-0 z-10 -mx-4 border-t bg-paper px-4 py-3 sm:-mx-8 sm:px-8 xl:mx-0 xl:px-0">
          {failure ? (
            <div className="mb-3">
              <Notice tone="bad">{failure}</Notice>
            </div>
          ) : null}
          <div className="flex flex-wrap items-center gap-2">
            <Button type="submit" look="primary" busy={saving !== null}>
              {saving === "save" ? "Saving…" : task ? "Save" : "Save task"}
            </Button>
            <Button busy={saving !== null} onClick={() => void submit(true)}>
              {saving === "test" ? "Saving…" : isDirty || !task ? "Save and send a test to me" : "Send a test to me"}
            </Button>
            <Button look="quiet" onClick={onCancel} className="sm:ml-auto">
              Cancel
            </Button>
          </div>
        </div>
      </form>
      <UnsavedGuard isGuarded={() => isDirty && !isSaved.current} />
    </FormProvider>
  );
}

/** Puts what the API found wrong at the fields; answers what has no field. */
function showRefusal(form: UseFormReturn<TaskFormValues>, error: unknown): ReactNode {
  if (error instanceof ApiError && error.status === 412) {
    return "This task was changed elsewhere since you opened it. Copy what you need, then reload the page.";
  }
  if (!(error instanceof ApiError) || error.issues.length === 0) return errorMessage(error);
  const issues = error.issues.map((issue) => ({ ...issue, path: formPath(issue.path) }));
  const { placed, rest } = placeIssues(issues, FIELDS);
  let isFirst = true;
  for (const [field, message] of placed) {
    form.setError(field as (typeof FIELDS)[number], { message }, { shouldFocus: isFirst });
    isFirst = false;
  }
  if (rest.length > 0) return rest.map(({ message }) => asSentence(message)).join(" ");
  return "Some fields need a look; what is wrong stands beside each.";
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="min-w-0 xl:col-start-1">
      <h2 className="mb-4 border-b pb-1.5 text-sm font-semibold">{title}</h2>
      {children}
    </section>
  );
}

function TitleField({ autoFocus }: { autoFocus: boolean }) {
  const { register, formState, setFocus } = useFormContext<TaskFormValues>();
  useEffect(() => {
    if (autoFocus) setFocus("title");
  }, [autoFocus, setFocus]);
  return (
    <Field
      label="Title"
      hint="The subject of the message"
      error={formState.errors.title?.message}
      className="xl:col-start-1"
    >
      <input type="text" maxLength={150} autoComplete="off" className="control" {...register("title")} />
    </Field>
  );
}

function QuestionField({ task, onSubmit }: { task: Task | undefined; onSubmit: () => void }) {
  const { control, formState } = useFormContext<TaskFormValues>();
  const { data: connections, isPending } = useQuery(connectionsQuery);
  const prompt = useWatch({ control, name: "prompt" });
  const error = formState.errors.prompt?.message;
  const missingIds = task?.missingContext.map(({ id }) => id) ?? [];
  const stillMissing = mentionsOf(prompt).filter(({ id }) => missingIds.includes(id));
  return (
    <div className="flex min-w-0 flex-col gap-1 xl:col-start-1">
      <span className="text-sm font-medium" aria-hidden>
        Question
      </span>
      <Controller
        control={control}
        name="prompt"
        render={({ field }) =>
          isPending ? (
            <div className="control h-36" aria-busy="true" />
          ) : (
            <PromptEditor
              initial={field.value}
              onChange={field.onChange}
              onBlur={field.onBlur}
              onSubmit={onSubmit}
              mentionables={(connections?.values ?? []).map(({ id, name }) => ({
                kind: "connection",
                id,
                label: name,
              }))}
              missingIds={missingIds}
              label="Question"
              placeholder="What should be found out each time? Type @ to say which data to use."
              invalid={error !== undefined}
              describedBy="question-hint question-error"
            />
          )
        }
      />
      <p id="question-hint" className="text-sm text-ink-3">
        Write it as you would to a colleague: “last week” means the week before each run. Without a mention, all data
        that you may query is used.
      </p>
      <FieldError id="question-error" message={error} />
      {stillMissing.length > 0 ? (
        <FieldError
          message={`${joinWords(stillMissing.map(({ label }) => `“${label}”`))} was deleted. Remove the mention, or mention something else.`}
        />
      ) : null}
    </div>
  );
}

function Preview({ form, task }: { form: UseFormReturn<TaskFormValues>; task: Task | undefined }) {
  const values = useWatch({ control: form.control }) as TaskFormValues;
  const { expiresAt } = fromTaskForm({ ...values, expiresOn: values.expiresOn || "9999-12-31" }, task);
  const schedule = fromScheduleForm(values.schedule);
  return (
    <>
      <NextWindows schedule={schedule} expiresAt={expiresAt ?? null} />
      <Estimate prompt={values.prompt} schedule={schedule} taskId={task?.id} />
    </>
  );
}

/** Asks before what was written is lost. */
function UnsavedGuard({ isGuarded }: { isGuarded: () => boolean }) {
  const blocker = useBlocker({ shouldBlockFn: isGuarded, enableBeforeUnload: isGuarded, withResolver: true });
  return (
    <Dialog
      open={blocker.status === "blocked"}
      onClose={() => blocker.reset?.()}
      title="Leave without saving?"
      actions={
        <>
          <Button look="danger" onClick={() => blocker.proceed?.()}>
            Leave
          </Button>
          <Button look="primary" onClick={() => blocker.reset?.()}>
            Keep editing
          </Button>
        </>
      }
    >
      <p className="text-ink-2">What you changed in this task would be lost.</p>
    </Dialog>
  );
}
