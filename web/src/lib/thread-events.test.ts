import { describe, expect, it } from "vitest";

import type { Answer, Step, ThreadSteps, Turn } from "@/api/types";

import { isUnfinished, withAnswer, withStatus, withStep } from "./thread-events";

const AT = "2026-11-21T09:00:00Z";

function turn(turnNo: number, status: Turn["status"]): Turn {
  return {
    turnNo,
    status,
    prompt: "How many?",
    reason: null,
    message: null,
    answer: null,
    runId: null,
    asOf: AT,
    startedAt: null,
    finishedAt: null,
    finishedSeq: null,
  };
}

function thread(...turns: Turn[]): ThreadSteps {
  return {
    thread: {
      threadId: "t",
      title: "How many?",
      status: "RUNNING",
      source: "APP",
      taskId: null,
      taskTitle: null,
      headline: null,
      createdAt: AT,
      updatedAt: AT,
      url: "",
      creator: { id: "u", name: "Dana" },
      isMine: true,
    },
    turns,
    steps: [],
    results: [],
    charts: [],
  };
}

function step(seq: number, turnNo = 1): Step {
  return { seq, turnNo, at: AT, elapsedMs: 1, body: { kind: "notice", text: String(seq) } };
}

const ANSWER: Answer = {
  headline: "58,665",
  body: "",
  figures: [],
  results: [],
  charts: [],
  caveats: [],
  choices: [],
  checkedShare: 1,
  model: "builtin",
  checked: null,
  why: null,
  stale: null,
  verified: null,
  method: null,
};

describe("a thread and its stream", () => {
  it("takes each step once, in order, whatever a reconnect repeats", () => {
    let shown = thread(turn(1, "queued"));
    for (const seq of [2, 1, 2, 3]) shown = withStep(shown, step(seq));
    expect(shown.steps.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(shown.turns[0]?.status).toBe("running");
  });

  it("ends a turn with its answer and leaves the others alone", () => {
    const shown = withAnswer(thread(turn(1, "failed"), turn(2, "running")), 2, ANSWER);
    expect(shown.turns.map(({ status, answer }) => [status, answer?.headline])).toEqual([
      ["failed", undefined],
      ["answered", "58,665"],
    ]);
  });

  it("is not moved back by old news", () => {
    const shown = thread(turn(1, "answered"));
    const event = { status: "RUNNING", turnNo: 1, turnStatus: "running", reason: null, message: null } as const;
    expect(withStatus(shown, event)).toBe(shown);
    expect(withStep(shown, step(1)).turns[0]?.status).toBe("answered");
  });

  it("tells why a turn failed", () => {
    const shown = withStatus(thread(turn(1, "running")), {
      status: "ERROR",
      turnNo: 1,
      turnStatus: "failed",
      reason: "limit_reached",
      message: "A limit was reached.",
    });
    expect(shown.thread.status).toBe("ERROR");
    expect(shown.turns[0]).toMatchObject({ status: "failed", message: "A limit was reached." });
    expect(shown.turns.some(isUnfinished)).toBe(false);
  });
});
