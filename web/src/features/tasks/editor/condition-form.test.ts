import * as v from "valibot";
import { describe, expect, it } from "vitest";

import type { Condition } from "@/api/types";

import { ConditionForm, fromConditionForm, newConditionForm, toConditionForm } from "./condition-form";

/** Paths of what is wrong with a form. */
function problems(changes: Partial<ReturnType<typeof newConditionForm>>): (string | null)[] {
  const { issues } = v.safeParse(ConditionForm, { ...newConditionForm(), send: "when", ...changes });
  return issues?.map((issue) => v.getDotPath(issue)) ?? [];
}

describe("a condition in the editor", () => {
  it("is none at first, whatever was typed before", () => {
    expect(fromConditionForm(newConditionForm())).toBeNull();
    expect(fromConditionForm({ ...newConditionForm(), value: "500" })).toBeNull();
    expect(toConditionForm(null)).toEqual(newConditionForm());
  });

  it.each<Condition>([
    { kind: "rows", comparison: "above", value: 500 },
    { kind: "threshold", comparison: "below", value: 500.5, column: "revenue" },
    { kind: "threshold", comparison: "at_least", value: -1 },
    { kind: "percent_change", direction: "either", percent: 12.5 },
    { kind: "percent_change", direction: "down", percent: 10, column: "dep delay" },
    { kind: "changed" },
    { kind: "anomaly", column: "revenue" },
    { kind: "anomaly" },
    { kind: "no_data" },
  ])("comes back as it was: $kind", (condition) => {
    const form = toConditionForm(condition);
    expect(problems(form)).toEqual([]);
    expect(fromConditionForm(form)).toEqual(condition);
  });

  it("has only the fields of its kind, whatever was chosen before", () => {
    const form = { ...newConditionForm(), send: "when", value: "1,000", percent: "5", column: " revenue " } as const;
    expect(fromConditionForm({ ...form, kind: "rows" })).toEqual({ kind: "rows", comparison: "below", value: 1000 });
    expect(fromConditionForm({ ...form, kind: "no_data" })).toEqual({ kind: "no_data" });
    expect(fromConditionForm({ ...form, kind: "anomaly" })).toEqual({ kind: "anomaly", column: "revenue" });
  });

  it("is refused at its field", () => {
    expect(problems({ kind: "threshold", value: "" })).toEqual(["value"]);
    expect(problems({ kind: "threshold", value: "a lot" })).toEqual(["value"]);
    expect(problems({ kind: "rows", value: "1.5" })).toEqual(["value"]);
    expect(problems({ kind: "rows", value: "-1" })).toEqual(["value"]);
    expect(problems({ kind: "percent_change", percent: "0" })).toEqual(["percent"]);
    expect(problems({ kind: "anomaly", column: "x".repeat(201) })).toEqual(["column"]);
  });

  it("is not looked at where the answer is always sent", () => {
    expect(problems({ send: "always", kind: "threshold", value: "a lot", percent: "-" })).toEqual([]);
  });
});
