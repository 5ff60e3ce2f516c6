/** What the agent did, in words a person reads: a line for each tool call. */

import type { Step, ToolCall } from "@/api/types";
import { count, counted } from "@/lib/number";

export type ActivityKind =
  | "search"
  | "describe"
  | "query"
  | "chart"
  | "earlier"
  | "compare"
  | "draft"
  | "answer"
  | "thought"
  | "notice"
  | "other";

export interface Activity {
  key: string;
  kind: ActivityKind;
  /** `Ran a query`, or `Running a query` while it is under way. */
  words: string;
  /** What it was about or came to: a table's name, `5 rows`. */
  detail: string | null;
  sql: string | null;
  /** What went wrong, and the agent may mend. */
  error: string | null;
  isDone: boolean;
  elapsedMs: number | null;
}

interface Phrase {
  kind: ActivityKind;
  done: string;
  doing: string;
}

const PHRASES: Record<string, Phrase> = {
  search_catalog: { kind: "search", done: "Searched the catalog", doing: "Searching the catalog" },
  describe_table: { kind: "describe", done: "Looked into a table", doing: "Looking into a table" },
  run_sql: { kind: "query", done: "Ran a query", doing: "Running a query" },
  create_chart: { kind: "chart", done: "Drew a chart", doing: "Drawing a chart" },
  previous_threads: { kind: "earlier", done: "Read earlier answers", doing: "Reading earlier answers" },
  compare_results: { kind: "compare", done: "Compared two results", doing: "Comparing two results" },
  create_task_draft: { kind: "draft", done: "Drafted a task", doing: "Drafting a task" },
  answer: { kind: "answer", done: "Wrote the answer", doing: "Writing the answer" },
};

/** The lines for the steps of one turn, in order. */
export function activitiesOf(steps: Step[]): Activity[] {
  const activities: Activity[] = [];
  for (const { seq, body, elapsedMs } of steps) {
    if (body.kind === "notice") {
      activities.push({ ...blank(`n${seq}`, "notice"), words: "Sent back to be mended", detail: body.text });
    } else if (body.kind === "model") {
      if (body.text.trim()) {
        activities.push({ ...blank(`t${seq}`, "thought"), words: body.text.trim(), elapsedMs });
      }
      for (const call of body.toolCalls) activities.push(fromCall(call, steps));
    }
  }
  return activities;
}

/** Which providers replied besides the server's own: a fallback by its model's name, the workspace's own. */
export function providersOf(steps: Step[]): string[] {
  const words = new Set<string>();
  for (const { body } of steps) {
    if (body.kind !== "model") continue;
    if (body.provider === "fallback") words.add(`fallback model ${body.model.replace(/^openai:/, "")}`);
    if (body.provider === "workspace") words.add("the workspace's own model");
  }
  return [...words];
}

function blank(key: string, kind: ActivityKind): Activity {
  return { key, kind, words: "", detail: null, sql: null, error: null, isDone: true, elapsedMs: null };
}

function fromCall(call: ToolCall, steps: Step[]): Activity {
  const step = steps.find(({ body }) => body.kind === "tool" && body.callId === call.id);
  const body = step?.body.kind === "tool" ? step.body : null;
  const phrase = PHRASES[call.name] ?? { kind: "other", done: `Used ${call.name}`, doing: `Using ${call.name}` };
  const activity: Activity = {
    ...blank(call.id, phrase.kind),
    words: body ? phrase.done : phrase.doing,
    detail: detailOf(call, body?.output),
    sql: call.name === "run_sql" ? text(call.arguments, "sql") : null,
    isDone: body !== null,
    elapsedMs: step?.elapsedMs ?? null,
  };
  if (body?.isError) {
    activity.error = text(field(body.output, "error"), "message") ?? "It failed.";
    if (call.name === "answer") activity.words = "Wrote an answer that was sent back";
  }
  return activity;
}

function detailOf(call: ToolCall, output: unknown): string | null {
  switch (call.name) {
    case "search_catalog": {
      const query = text(call.arguments, "query");
      return query ? `“${query}”` : null;
    }
    case "describe_table":
      return text(call.arguments, "table");
    case "run_sql": {
      const rows = field(output, "rowCount");
      return typeof rows === "number" ? counted(rows, "row") : null;
    }
    case "create_chart":
    case "create_task_draft":
      return text(call.arguments, "title");
    case "previous_threads": {
      const threads = field(output, "threads");
      return Array.isArray(threads) ? counted(threads.length, "thread") : null;
    }
    case "compare_results":
      return differences(field(output, "counts"));
    default:
      return null;
  }
}

/** `2 changed, 1 added`, or that nothing differs. */
function differences(counts: unknown): string | null {
  if (typeof counts !== "object" || counts === null) return null;
  const told = ["changed", "added", "gone"].flatMap((outcome) => {
    const number = field(counts, outcome);
    return typeof number === "number" && number > 0 ? [`${count(number)} ${outcome}`] : [];
  });
  return told.length > 0 ? told.join(", ") : "no difference";
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function text(value: unknown, name: string): string | null {
  const found = field(value, name);
  return typeof found === "string" && found !== "" ? found : null;
}
