import { describe, expect, it } from "vitest";

import { fromFreshnessForm, newFreshnessForm, toFreshnessForm, waitsForSomething } from "./freshness-form";

const SHOP = "019396f0-0000-7000-8000-000000000001";
const VISITS = "019396f0-0000-7000-8000-000000000002";

describe("the wish for fresh data in the editor", () => {
  it("is none at first", () => {
    expect(fromFreshnessForm(newFreshnessForm(), [SHOP])).toBeNull();
    expect(toFreshnessForm(null, [SHOP])).toEqual(newFreshnessForm());
  });

  it("counts all of the task's data, unless some is taken out", () => {
    const all = toFreshnessForm({ policy: "skip", connectionIds: null }, [SHOP, VISITS]);
    expect(all).toEqual({ start: "fresh", policy: "skip", exceptIds: [] });
    expect(fromFreshnessForm(all, [SHOP, VISITS])).toEqual({ policy: "skip", connectionIds: null });
    const some = toFreshnessForm({ policy: "send_stale", connectionIds: [VISITS] }, [SHOP, VISITS]);
    expect(some.exceptIds).toEqual([SHOP]);
    expect(fromFreshnessForm(some, [SHOP, VISITS])).toEqual({ policy: "send_stale", connectionIds: [VISITS] });
  });

  it("follows the mentions: what is no longer the task's does not count", () => {
    const form = { ...newFreshnessForm(), start: "fresh", exceptIds: [SHOP] } as const;
    expect(fromFreshnessForm({ ...form, exceptIds: [SHOP] }, [VISITS])).toEqual({
      policy: "send_stale",
      connectionIds: null,
    });
  });

  it("has something to wait for", () => {
    const form = { ...newFreshnessForm(), start: "fresh" as const, exceptIds: [SHOP] };
    expect(waitsForSomething(form, [SHOP])).toBe(false);
    expect(waitsForSomething(form, [SHOP, VISITS])).toBe(true);
    expect(waitsForSomething(form, [])).toBe(true);
    expect(waitsForSomething({ ...form, start: "planned" }, [SHOP])).toBe(true);
  });
});
