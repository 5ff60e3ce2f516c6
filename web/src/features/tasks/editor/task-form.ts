/** A task as the editor holds it, and its way to and from the API. */

import * as v from "valibot";

import type { Task, TaskBody, TaskDraft } from "@/api/types";
import { CAP_PROBLEM, fromCapTexts, isCap, toCapTexts } from "@/lib/caps";
import { mentionsOf } from "@/lib/mention";
import { fromScheduleForm, newScheduleForm, toScheduleForm, WEEKDAYS } from "@/lib/schedule";
import { addMonths, endOfDay, localDate } from "@/lib/time";

import { ConditionForm, fromConditionForm, newConditionForm, toConditionForm } from "./condition-form";
import {
  FreshnessForm,
  fromFreshnessForm,
  newFreshnessForm,
  toFreshnessForm,
  waitsForSomething,
} from "./freshness-form";

const CapText = v.pipe(v.string(), v.check(isCap, CAP_PROBLEM));
const Weekday = v.picklist(WEEKDAYS);

export const TaskForm = v.pipe(
  v.object({
    title: v.pipe(
      v.string(),
      v.trim(),
      v.nonEmpty("Give the task a title."),
      v.maxLength(150, "Keep the title to 150 characters."),
    ),
    prompt: v.pipe(
      v.string(),
      v.check((prompt) => prompt.trim() !== "", "Write the question that the task asks."),
      v.maxLength(20_000, "Keep the question to 20,000 characters."),
    ),
    schedule: v.pipe(
      v.object({
        cadence: v.picklist(["daily", "weekly", "monthly"]),
        weekdays: v.array(Weekday),
        monthlyBy: v.picklist(["day", "weekday"]),
        dayOfMonth: v.number(),
        nth: v.number(),
        nthWeekday: Weekday,
        windowStart: v.string(),
        timezone: v.pipe(v.string(), v.nonEmpty("Choose a time zone.")),
      }),
      v.forward(
        v.check(({ cadence, weekdays }) => cadence !== "weekly" || weekdays.length > 0, "Choose at least one weekday."),
        ["weekdays"],
      ),
    ),
    notification: v.object({
      userIds: v.array(v.string()),
      groupIds: v.array(v.string()),
      slackChannels: v.array(v.object({ id: v.string(), name: v.string() })),
      attachCsv: v.boolean(),
    }),
    condition: ConditionForm,
    freshness: FreshnessForm,
    caps: v.object({ perRun: CapText, perMonth: CapText }),
    /** A local date in the task's zone: the last day on which it may fire. */
    expiresOn: v.string(),
    neverExpires: v.boolean(),
  }),
  v.forward(
    v.check(({ expiresOn, neverExpires }) => neverExpires || expiresOn !== "", "Choose a date."),
    ["expiresOn"],
  ),
  v.forward(
    v.check(
      ({ freshness, prompt }) => waitsForSomething(freshness, mentionedConnections(prompt)),
      "Choose at least one, or start as planned.",
    ),
    ["freshness", "exceptIds"],
  ),
);

export type TaskFormValues = v.InferOutput<typeof TaskForm>;

/** Where the API's words about a field are shown. */
export const FIELDS = [
  "title",
  "prompt",
  "schedule.weekdays",
  "schedule.dayOfMonth",
  "schedule.nthWeekday",
  "schedule.windowStart",
  "schedule.timezone",
  "notification.userIds",
  "notification.groupIds",
  "notification.slackChannels",
  "condition.kind",
  "condition.comparison",
  "condition.value",
  "condition.direction",
  "condition.percent",
  "condition.column",
  "freshness.policy",
  "freshness.exceptIds",
  "caps.perRun",
  "caps.perMonth",
  "expiresOn",
] as const;

/** The API's name of a field, as the form calls it. */
export function formPath(path: string): string {
  if (path === "expiresAt") return "expiresOn";
  if (path.startsWith("context")) return "prompt";
  if (path.startsWith("notification.slackChannels")) return "notification.slackChannels";
  if (path === "condition") return "condition.kind";
  if (path.startsWith("freshness.connectionIds")) return "freshness.exceptIds";
  if (path === "freshness") return "freshness.policy";
  return path;
}

export function newTaskForm(zone: string, now: Date, userId: string): TaskFormValues {
  return {
    title: "",
    prompt: "",
    schedule: newScheduleForm(zone),
    notification: { userIds: [userId], groupIds: [], slackChannels: [], attachCsv: false },
    condition: newConditionForm(),
    freshness: newFreshnessForm(),
    caps: { perRun: "", perMonth: "" },
    expiresOn: addMonths(now, 6, zone),
    neverExpires: false,
  };
}

/** What was drafted in a conversation, to be looked over. */
export function draftTaskForm(draft: TaskDraft, now: Date): TaskFormValues {
  const { userIds, groupIds, slackChannels, attachCsv } = draft.notification;
  return {
    ...newTaskForm(draft.schedule.timezone, now, ""),
    title: draft.title,
    prompt: draft.prompt,
    schedule: toScheduleForm(draft.schedule),
    notification: { userIds, groupIds, slackChannels, attachCsv },
  };
}

export function toTaskForm(task: Task): TaskFormValues {
  const { userIds, groupIds, slackChannels, attachCsv } = task.notification;
  return {
    title: task.title,
    prompt: task.prompt,
    schedule: toScheduleForm(task.schedule),
    notification: { userIds, groupIds, slackChannels, attachCsv },
    condition: toConditionForm(task.condition),
    freshness: toFreshnessForm(task.freshness, task.context.connectionIds),
    caps: toCapTexts(task.caps),
    expiresOn: task.expiresAt ? localDate(new Date(task.expiresAt), task.schedule.timezone) : "",
    neverExpires: task.expiresAt === null,
  };
}

/** What is saved. The context is what the prompt mentions: the server keeps both in step. */
export function fromTaskForm(form: TaskFormValues, before?: Task): TaskBody {
  const connectionIds = mentionedConnections(form.prompt);
  return {
    title: form.title.trim(),
    prompt: form.prompt,
    context: {
      connectionIds,
      semanticModelIds: [],
      projectIds: [],
    },
    schedule: fromScheduleForm(form.schedule),
    notification: form.notification,
    condition: fromConditionForm(form.condition),
    freshness: fromFreshnessForm(form.freshness, connectionIds),
    caps: fromCapTexts(form.caps),
    expiresAt: expiresAt(form, before),
  };
}

/** The connections that a prompt mentions, each once. */
export function mentionedConnections(prompt: string): string[] {
  const mentioned = mentionsOf(prompt).filter(({ kind }) => kind === "connection");
  return [...new Set(mentioned.map(({ id }) => id))];
}

/** The end of the chosen day; an unchanged date keeps its exact instant. */
function expiresAt(form: TaskFormValues, before?: Task): string | null {
  if (form.neverExpires) return null;
  const zone = form.schedule.timezone;
  if (before?.expiresAt && localDate(new Date(before.expiresAt), zone) === form.expiresOn) return before.expiresAt;
  return endOfDay(form.expiresOn, zone);
}
