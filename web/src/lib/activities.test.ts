import { describe, expect, it } from "vitest";

import type { Step, ToolCall } from "@/api/types";

import { activitiesOf, providersOf } from "./activities";

const AT = "2026-11-21T09:00:00Z";

function model(seq: number, text: string, ...toolCalls: ToolCall[]): Step {
  return replied(seq, "server", "builtin", text, toolCalls);
}

function replied(
  seq: number,
  provider: "server" | "fallback" | "workspace",
  by: string,
  text = "",
  toolCalls: ToolCall[] = [],
): Step {
  const counts = { tokensIn: 1, tokensOut: 1, credits: 0 };
  const body = { kind: "model", model: by, provider, text, toolCalls, ...counts } as const;
  return { seq, turnNo: 1, at: AT, elapsedMs: 5, body };
}

function tool(seq: number, callId: string, name: string, output: Record<string, unknown>, isError = false): Step {
  const body = { kind: "tool", callId, name, output, isError, result: null, chart: null } as const;
  return { seq, turnNo: 1, at: AT, elapsedMs: 12, body };
}

describe("what the agent did", () => {
  it("is one line a tool call, with what came of it", () => {
    const sql = "select 1";
    const lines = activitiesOf([
      model(1, "I look for flights.", { id: "a", name: "search_catalog", arguments: { query: "flights" } }),
      tool(2, "a", "search_catalog", { tables: [] }),
      model(3, "", { id: "b", name: "run_sql", arguments: { sql } }),
      tool(4, "b", "run_sql", { rowCount: 1 }),
    ]);
    expect(lines.map(({ words, detail }) => [words, detail])).toEqual([
      ["I look for flights.", null],
      ["Searched the catalog", "“flights”"],
      ["Ran a query", "1 row"],
    ]);
    expect(lines[2]).toMatchObject({ sql, isDone: true, elapsedMs: 12, error: null });
  });

  it("counts what a comparison found", () => {
    const compared = (counts: Record<string, number>) =>
      activitiesOf([
        model(1, "", { id: "a", name: "compare_results", arguments: { before: "r1", after: "r2" } }),
        tool(2, "a", "compare_results", { counts }),
      ])[0]?.detail;
    expect(compared({ changed: 2, added: 1, gone: 0, same: 7 })).toBe("2 changed, 1 added");
    expect(compared({ changed: 0, added: 0, gone: 0, same: 7 })).toBe("no difference");
  });

  it("is under way until its step is there", () => {
    const [line] = activitiesOf([model(1, "", { id: "a", name: "run_sql", arguments: { sql: "select 1" } })]);
    expect(line).toMatchObject({ words: "Running a query", isDone: false, elapsedMs: null });
  });

  it("says what went wrong", () => {
    const [line] = activitiesOf([
      model(1, "", { id: "a", name: "run_sql", arguments: { sql: "select x" } }),
      tool(2, "a", "run_sql", { error: { code: "sql", message: "there is no column x", hint: "" } }, true),
    ]);
    expect(line?.error).toBe("there is no column x");
  });

  it("knows no tool that it could not name", () => {
    const [line] = activitiesOf([model(1, "", { id: "a", name: "read_project", arguments: {} })]);
    expect(line?.words).toBe("Using read_project");
  });
});

describe("who replied", () => {
  it("is told where it was not the server's own model", () => {
    expect(providersOf([replied(1, "server", "openai:gpt-5")])).toEqual([]);
    const steps = [replied(1, "server", "openai:gpt-5"), replied(2, "fallback", "openai:llama3.3")];
    expect(providersOf([...steps, replied(3, "fallback", "openai:llama3.3")])).toEqual(["fallback model llama3.3"]);
    expect(providersOf([replied(1, "workspace", "openai:gpt-5")])).toEqual(["the workspace's own model"]);
  });
});
