import { useState, type ReactNode } from "react";
import type { FieldPath, FieldValues, UseFormReturn } from "react-hook-form";
import * as v from "valibot";

import { ApiError, errorMessage } from "@/api/error";
import type { ConnectionTest } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { asSentence, placeIssues } from "@/lib/form";
import { counted } from "@/lib/number";
import { durationInWords } from "@/lib/time";

export const Name = v.pipe(
  v.string(),
  v.trim(),
  v.nonEmpty("Give it a name. It is what people will mention."),
  v.maxLength(100, "Keep the name to 100 characters."),
);

export const required = (message: string) => v.pipe(v.string(), v.trim(), v.nonEmpty(message));

/** Places what the API refused at the fields of a form; answers what has none. */
export function placeRefusal<T extends FieldValues>(
  form: UseFormReturn<T>,
  error: unknown,
  fields: readonly FieldPath<T>[],
  rename: (path: string) => string = (path) => path,
): string | undefined {
  if (!(error instanceof ApiError) || error.issues.length === 0) return errorMessage(error);
  const issues = error.issues.map((issue) => ({ ...issue, path: rename(issue.path) }));
  const { placed, rest } = placeIssues(issues, fields);
  for (const [field, message] of placed) form.setError(field as FieldPath<T>, { message });
  return rest.length > 0 ? rest.map(({ message }) => asSentence(message)).join(" ") : undefined;
}

interface FormEndProps {
  failure: string | undefined;
  isSaving: boolean;
  saveLabel: string;
  /** Tries what is in the form; absent where that makes no sense. */
  test?: () => Promise<ConnectionTest | undefined>;
  children?: ReactNode;
}

/** The buttons of a connection's form, and the one place where its errors and its test's outcome stand. */
export function FormEnd({ failure, isSaving, saveLabel, test, children }: FormEndProps) {
  const [outcome, setOutcome] = useState<ConnectionTest | string>();
  const [isTesting, setTesting] = useState(false);
  const run = async () => {
    setTesting(true);
    setOutcome(undefined);
    try {
      setOutcome(await test?.());
    } catch (error) {
      setOutcome(errorMessage(error));
    } finally {
      setTesting(false);
    }
  };
  return (
    <div className="space-y-4 border-t pt-4">
      <div aria-live="polite" className="empty:hidden">
        {failure ? <Notice tone="bad">{failure}</Notice> : null}
        {!failure && outcome !== undefined ? <TestOutcome outcome={outcome} /> : null}
      </div>
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="primary" busy={isSaving}>
          {isSaving ? "Connecting…" : saveLabel}
        </Button>
        {test ? (
          <Button busy={isTesting} onClick={() => void run()}>
            {isTesting ? "Testing…" : "Test"}
          </Button>
        ) : null}
        {children}
      </div>
    </div>
  );
}

export function TestOutcome({ outcome }: { outcome: ConnectionTest | string }) {
  if (typeof outcome === "string") return <Notice tone="bad">{outcome}</Notice>;
  if (!outcome.ok) return <Notice tone="bad">{asSentence(outcome.message ?? "It could not be read")}</Notice>;
  return (
    <Notice>
      It works: {outcome.tables === null ? "connected" : counted(outcome.tables, "table")} in{" "}
      {durationInWords(outcome.elapsedMs)}.
      {outcome.freshness ? (
        <>
          {" "}
          Its data is {outcome.freshness.isFresh ? "fresh" : "not fresh"}: {outcome.freshness.message}.
        </>
      ) : null}
    </Notice>
  );
}
