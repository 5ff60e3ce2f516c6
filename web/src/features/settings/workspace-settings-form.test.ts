import * as v from "valibot";
import { describe, expect, it } from "vitest";

import { formPath, fromSettingsForm, toSettingsForm, WorkspaceSettingsForm } from "./workspace-settings-form";

const SETTINGS = { graceSeconds: 21_600, maxConcurrentRuns: 20, mayNeverExpire: false };

describe("how tasks run, in its form", () => {
  it("speaks of hours", () => {
    expect(toSettingsForm(SETTINGS)).toEqual({ graceHours: "6", maxConcurrentRuns: "20", mayNeverExpire: false });
    expect(toSettingsForm({ ...SETTINGS, graceSeconds: 5400 }).graceHours).toBe("1.5");
    const typed = { graceHours: " 0.5 ", maxConcurrentRuns: "1,000", mayNeverExpire: true };
    expect(fromSettingsForm(typed)).toEqual({ graceSeconds: 1800, maxConcurrentRuns: 1000, mayNeverExpire: true });
  });

  it("comes back as it was, to the second", () => {
    for (const graceSeconds of [0, 1, 59, 1000, 1200, 21_600, 604_799, 604_800]) {
      const settings = { ...SETTINGS, graceSeconds, maxConcurrentRuns: 10_000 };
      const form = toSettingsForm(settings);
      expect(v.is(WorkspaceSettingsForm, form)).toBe(true);
      expect(fromSettingsForm(form)).toEqual(settings);
    }
  });

  it("is refused at its field", () => {
    const paths = (changes: object) => {
      const { issues } = v.safeParse(WorkspaceSettingsForm, { ...toSettingsForm(SETTINGS), ...changes });
      return issues?.map((issue) => v.getDotPath(issue)) ?? [];
    };
    for (const graceHours of ["", "soon", "-1", "168.1", "1e2"]) expect(paths({ graceHours })).toEqual(["graceHours"]);
    for (const maxConcurrentRuns of ["", "0", "2.5", "10,001"]) {
      expect(paths({ maxConcurrentRuns })).toEqual(["maxConcurrentRuns"]);
    }
    expect(paths({ graceHours: "0", maxConcurrentRuns: "1" })).toEqual([]);
  });

  it("knows where the API's names stand", () => {
    expect(["graceSeconds", "maxConcurrentRuns"].map(formPath)).toEqual(["graceHours", "maxConcurrentRuns"]);
  });
});
