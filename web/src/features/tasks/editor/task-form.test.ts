import * as v from "valibot";
import { describe, expect, it } from "vitest";

import type { Task } from "@/api/types";

import { formPath, fromTaskForm, newTaskForm, TaskForm, toTaskForm } from "./task-form";

const NOW = new Date("2026-11-21T12:00:00Z");
const USER = "019396f0-0000-7000-8000-000000000001";
const CONNECTION = "019396f0-0000-7000-8000-000000000002";

const TASK: Task = {
  id: "019396f0-0000-7000-8000-000000000003",
  title: "Signups",
  prompt: `How many in @[Shop](connection:${CONNECTION})?`,
  context: { connectionIds: [CONNECTION], semanticModelIds: [], projectIds: [] },
  schedule: { cadence: "weekly", weekdays: ["mon"], windowStart: "09:00", timezone: "America/New_York" },
  scheduleInWords: "",
  notification: { slackChannels: [], userIds: [USER], groupIds: [], attachCsv: true },
  condition: null,
  conditionInWords: null,
  freshness: null,
  caps: { perRun: null, perMonth: 20 },
  expiresAt: "2027-05-22T03:12:45Z",
  status: "active",
  statusReason: null,
  nextRunAt: null,
  lastRun: null,
  latestThreadId: null,
  missingContext: [],
  version: 1,
  createdAt: "2026-11-21T12:00:00Z",
  updatedAt: "2026-11-21T12:00:00Z",
};

describe("the task editor", () => {
  it("begins with oneself told and six months to go", () => {
    const form = newTaskForm("Europe/Berlin", NOW, USER);
    expect(form).toMatchObject({ expiresOn: "2027-05-21", notification: { userIds: [USER] } });
    expect(form.schedule.timezone).toBe("Europe/Berlin");
  });

  it("takes the context from the mentions, each once", () => {
    const form = toTaskForm(TASK);
    const body = fromTaskForm({ ...form, prompt: `${form.prompt} Again: @[Shop](connection:${CONNECTION})` }, TASK);
    expect(body.context?.connectionIds).toEqual([CONNECTION]);
  });

  it("keeps the exact expiration where its date is not changed", () => {
    expect(toTaskForm(TASK).expiresOn).toBe("2027-05-21");
    expect(fromTaskForm(toTaskForm(TASK), TASK).expiresAt).toBe(TASK.expiresAt);
    expect(fromTaskForm({ ...toTaskForm(TASK), expiresOn: "2027-06-01" }, TASK).expiresAt).toBe(
      "2027-06-02T03:59:59.000Z",
    );
  });

  it("sends null for never", () => {
    expect(fromTaskForm({ ...toTaskForm(TASK), neverExpires: true }, TASK).expiresAt).toBeNull();
  });

  it("refuses what is missing, at its field", () => {
    const form = newTaskForm("UTC", NOW, USER);
    const result = v.safeParse(TaskForm, { ...form, expiresOn: "", schedule: { ...form.schedule, weekdays: [] } });
    const paths = result.issues?.map((issue) => v.getDotPath(issue));
    expect(paths).toEqual(["title", "prompt", "schedule.weekdays", "expiresOn"]);
  });

  it("asks for data that is waited for, at its field", () => {
    const form = toTaskForm({ ...TASK, freshness: { policy: "skip", connectionIds: null } });
    expect(fromTaskForm(form, TASK).freshness).toEqual({ policy: "skip", connectionIds: null });
    const result = v.safeParse(TaskForm, { ...form, freshness: { ...form.freshness, exceptIds: [CONNECTION] } });
    expect(result.issues?.map((issue) => v.getDotPath(issue))).toEqual(["freshness.exceptIds"]);
  });

  it("sends null for no condition and for nothing to wait for, so that both can be taken away", () => {
    expect(fromTaskForm(toTaskForm(TASK), TASK)).toMatchObject({ condition: null, freshness: null });
  });

  it("keeps caps, and refuses what is none at its field", () => {
    expect(fromTaskForm(toTaskForm(TASK), TASK).caps).toEqual({ perRun: null, perMonth: 20 });
    const result = v.safeParse(TaskForm, { ...toTaskForm(TASK), caps: { perRun: "much", perMonth: "" } });
    expect(result.issues?.map((issue) => v.getDotPath(issue))).toEqual(["caps.perRun"]);
  });

  it("knows where the API's names stand", () => {
    expect(formPath("expiresAt")).toBe("expiresOn");
    expect(formPath("context.connectionIds[0]")).toBe("prompt");
    expect(formPath("title")).toBe("title");
    expect(formPath("condition")).toBe("condition.kind");
    expect(formPath("condition.percent")).toBe("condition.percent");
    expect(formPath("freshness.connectionIds[0]")).toBe("freshness.exceptIds");
  });
});
