import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { threadKeys, threadQuery } from "@/api/queries/threads";
import type { Answer, StatusEvent, Step, ThreadSteps } from "@/api/types";
import { isUnfinished, withAnswer, withStatus, withStep } from "@/lib/thread-events";

/** Text of a turn's reply as it comes in. */
interface Draft {
  turnNo: number;
  text: string;
}

/**
 * Follows a thread while a turn of it is unfinished: its steps, its answer and its state go into the cache of
 * `threadQuery`. Answers the reply's text so far. The browser reconnects by itself and says what it saw last, so that
 * nothing is lost.
 */
export function useLiveThread(threadId: string, thread: ThreadSteps | undefined): Draft | null {
  const queryClient = useQueryClient();
  const [draft, setDraft] = useState<Draft | null>(null);
  const isLive = thread?.turns.some(isUnfinished) ?? false;

  useEffect(() => {
    if (!isLive) return;
    const { queryKey } = threadQuery(threadId);
    const change = (apply: (shown: ThreadSteps) => ThreadSteps) =>
      queryClient.setQueryData(queryKey, (shown) => shown && apply(shown));
    // Results and charts come with the whole thread only.
    const refresh = () => void queryClient.invalidateQueries({ queryKey, exact: true });

    const source = new EventSource(`/api/v1/threads/${threadId}/events`);
    source.addEventListener("step", (event: MessageEvent<string>) => {
      const step = JSON.parse(event.data) as Step;
      setDraft((current) => (current?.turnNo === step.turnNo ? null : current));
      change((shown) => withStep(shown, step));
      if (step.body.kind === "tool" && (step.body.result ?? step.body.chart)) refresh();
    });
    source.addEventListener("delta", (event: MessageEvent<string>) => {
      const { turnNo, text } = JSON.parse(event.data) as Draft;
      setDraft((current) => ({ turnNo, text: (current?.turnNo === turnNo ? current.text : "") + text }));
    });
    source.addEventListener("answer", (event: MessageEvent<string>) => {
      const { turnNo, answer } = JSON.parse(event.data) as { turnNo: number; answer: Answer };
      change((shown) => withAnswer(shown, turnNo, answer));
      refresh();
    });
    source.addEventListener("status", (event: MessageEvent<string>) => {
      const status = JSON.parse(event.data) as StatusEvent;
      change((shown) => withStatus(shown, status));
      if (!["queued", "running"].includes(status.turnStatus)) {
        refresh();
        void queryClient.invalidateQueries({ queryKey: threadKeys.list });
      }
    });
    source.addEventListener("error", () => {
      // Refused for good (signed out, no longer shared): the thread's own request will say why.
      if (source.readyState === EventSource.CLOSED) refresh();
    });
    return () => {
      source.close();
      setDraft(null);
    };
  }, [threadId, isLive, queryClient]);

  return draft;
}
