/** A thread as it is shown, brought up to date by the events of its stream. */

import type { Answer, StatusEvent, Step, ThreadSteps, Turn } from "@/api/types";

const RANKS: Record<Turn["status"], number> = { queued: 0, running: 1, answered: 2, failed: 2, cancelled: 2 };

export function isUnfinished(turn: Turn): boolean {
  return RANKS[turn.status] < 2;
}

/** Adds a step, once, whatever is repeated after a reconnect. */
export function withStep(thread: ThreadSteps, step: Step): ThreadSteps {
  if (thread.steps.some(({ seq }) => seq === step.seq)) return thread;
  const steps = [...thread.steps, step].sort((a, b) => a.seq - b.seq);
  return { ...thread, steps, turns: changed(thread.turns, step.turnNo, (turn) => advance(turn, "running")) };
}

/** Ends a turn with its answer. */
export function withAnswer(thread: ThreadSteps, turnNo: number, answer: Answer): ThreadSteps {
  return {
    ...thread,
    turns: changed(thread.turns, turnNo, (turn) => ({ ...advance(turn, "answered"), answer })),
  };
}

/** Moves a turn on. A stream that starts over tells old states again: those change nothing. */
export function withStatus(thread: ThreadSteps, event: StatusEvent): ThreadSteps {
  const turn = thread.turns.find(({ turnNo }) => turnNo === event.turnNo);
  if (!turn || RANKS[event.turnStatus] <= RANKS[turn.status]) return thread;
  const { turnNo, turnStatus, reason, message } = event;
  return {
    ...thread,
    thread: { ...thread.thread, status: event.status },
    turns: changed(thread.turns, turnNo, (one) => ({ ...advance(one, turnStatus), reason, message })),
  };
}

function changed(turns: Turn[], turnNo: number, change: (turn: Turn) => Turn): Turn[] {
  return turns.map((turn) => (turn.turnNo === turnNo ? change(turn) : turn));
}

function advance(turn: Turn, status: Turn["status"]): Turn {
  return RANKS[status] > RANKS[turn.status] ? { ...turn, status } : turn;
}
