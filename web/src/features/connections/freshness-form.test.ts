import * as v from "valibot";
import { describe, expect, it } from "vitest";

import { formPath, FreshnessForm, fromFreshnessForm, toFreshnessForm } from "./freshness-form";

const CHECK = { table: "orders", column: "loaded_at", maxAgeMinutes: 1440 };

describe("a freshness check in its form", () => {
  it("begins with a day", () => {
    const form = { ...toFreshnessForm(null), table: "orders", column: "loaded_at" };
    expect(fromFreshnessForm(form)).toEqual(CHECK);
  });

  it("comes back as it was", () => {
    for (const maxAgeMinutes of [1, 45, 60, 90, 1440, 4320, 525_600]) {
      const check = { ...CHECK, maxAgeMinutes };
      const form = toFreshnessForm(check);
      expect(v.is(FreshnessForm, form)).toBe(true);
      expect(fromFreshnessForm(form)).toEqual(check);
    }
    expect(toFreshnessForm(CHECK)).toMatchObject({ amount: "24", unit: "hours" });
  });

  it("is refused at its field", () => {
    const paths = (changes: object) => {
      const { issues } = v.safeParse(FreshnessForm, { ...toFreshnessForm(CHECK), ...changes });
      return issues?.map((issue) => v.getDotPath(issue)) ?? [];
    };
    expect(paths({ table: "", column: "" })).toEqual(["table", "column"]);
    expect(paths({ amount: "0" })).toEqual(["amount"]);
    expect(paths({ amount: "soon" })).toEqual(["amount"]);
    expect(paths({ amount: "1.5" })).toEqual(["amount"]);
    expect(paths({ amount: "366", unit: "days" })).toEqual(["amount"]);
    expect(paths({ amount: "366", unit: "hours" })).toEqual([]);
  });

  it("knows where the API's names stand", () => {
    expect(formPath("freshness.table")).toBe("table");
    expect(formPath("freshness.maxAgeMinutes")).toBe("amount");
  });
});
