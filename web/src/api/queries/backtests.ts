import { queryOptions } from "@tanstack/react-query";

import { client, idempotencyKey, unwrap } from "@/api/client";
import type { StartedBacktest } from "@/api/types";

const keys = (taskId: string) => ["backtests", taskId] as const;

/** A task's latest backtests, newest first. */
export function backtestsQuery(taskId: string) {
  return queryOptions({
    queryKey: [...keys(taskId), "list"],
    queryFn: () => unwrap(client.GET("/api/v1/tasks/{id}/backtests", { params: { path: { id: taskId } } })),
    // Its end lets another one start.
    refetchInterval: ({ state }) => (state.data?.values[0]?.finishedAt === null ? 2_000 : false),
  });
}

/** What a backtest has found so far. */
export function backtestQuery(taskId: string, backtestId: string) {
  return queryOptions({
    queryKey: [...keys(taskId), "one", backtestId],
    queryFn: () =>
      unwrap(client.GET("/api/v1/tasks/{id}/backtests/{backtestId}", { params: { path: { id: taskId, backtestId } } })),
    refetchInterval: ({ state }) => (state.data?.finishedAt === null ? 1_500 : false),
  });
}

export function startBacktest(taskId: string, count: number): Promise<StartedBacktest> {
  return unwrap(
    client.POST("/api/v1/tasks/{id}/backtest", {
      params: { path: { id: taskId } },
      body: { count },
      headers: idempotencyKey(),
    }),
  );
}
