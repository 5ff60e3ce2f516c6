import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, idempotencyKey, unwrap } from "@/api/client";
import type { Schedule, StartedRun, Task, TaskBody, TaskMethod } from "@/api/types";

export interface TaskFilter {
  q?: string | undefined;
  status?: Task["status"] | undefined;
  /** `-` before it: descending. */
  sort?: keyof typeof ORDERS | undefined;
}

const ORDERS = {
  nextRunAt: { sortBy: "nextRunAt", sortDirection: "ASC" },
  "-nextRunAt": { sortBy: "nextRunAt", sortDirection: "DESC" },
  title: { sortBy: "title", sortDirection: "ASC" },
  "-title": { sortBy: "title", sortDirection: "DESC" },
  createdAt: { sortBy: "createdAt", sortDirection: "ASC" },
  "-createdAt": { sortBy: "createdAt", sortDirection: "DESC" },
} as const;

export const taskKeys = { all: ["tasks"] as const, list: ["tasks", "list"] as const };

export function tasksQuery({ q, status, sort }: TaskFilter) {
  const order = sort && ORDERS[sort];
  return infiniteQueryOptions({
    queryKey: [...taskKeys.list, { q, status, sort }],
    queryFn: ({ pageParam }) =>
      unwrap(
        client.GET("/api/v1/tasks", {
          params: { query: { q, status, ...order, limit: 50, after: pageParam ?? undefined } },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.pagination.after,
    placeholderData: keepPreviousData,
    // A task's last and next run change by themselves.
    refetchInterval: 20_000,
  });
}

export function taskQuery(id: string) {
  return queryOptions({
    queryKey: [...taskKeys.all, "one", id],
    queryFn: () => unwrap(client.GET("/api/v1/tasks/{id}", { params: { path: { id } } })),
  });
}

export function occurrencesQuery(id: string) {
  return queryOptions({
    queryKey: [...taskKeys.all, "occurrences", id],
    queryFn: () =>
      unwrap(client.GET("/api/v1/tasks/{id}/occurrences", { params: { path: { id }, query: { limit: 100 } } })),
    refetchInterval: 10_000,
  });
}

/** One run: how it stands, and what came of its task's condition. */
export function runQuery(id: string) {
  return queryOptions({
    queryKey: ["runs", id, "one"],
    queryFn: () => unwrap(client.GET("/api/v1/runs/{id}", { params: { path: { id } } })),
    refetchInterval: ({ state }) => (state.data?.finishedAt === null ? 5_000 : false),
  });
}

export function deliveriesQuery(runId: string) {
  return queryOptions({
    queryKey: ["runs", runId, "deliveries"],
    queryFn: () => unwrap(client.GET("/api/v1/runs/{id}/deliveries", { params: { path: { id: runId } } })),
  });
}

export function previewQuery(schedule: Schedule) {
  return queryOptions({
    queryKey: ["schedule-preview", schedule],
    queryFn: async () => {
      const answer = await unwrap(client.POST("/api/v1/schedules/preview", { body: { schedule, count: 5 } }));
      return "items" in answer ? (answer.items[0]?.windows ?? []) : answer.windows;
    },
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    retry: false,
  });
}

/** The query pinned for a task's headline. */
export function taskMethodQuery(id: string) {
  return queryOptions({
    queryKey: [...taskKeys.all, "method", id],
    queryFn: () => unwrap(client.GET("/api/v1/tasks/{id}/method", { params: { path: { id } } })),
  });
}

/** Pins the query of a result of one of the task's runs; `null` unpins. */
export function pinMethod(id: string, resultId: string | null): Promise<TaskMethod> {
  return unwrap(client.PUT("/api/v1/tasks/{id}/method", { params: { path: { id } }, body: { resultId } }));
}

export function createTask(body: TaskBody): Promise<Task> {
  return unwrap(client.POST("/api/v1/tasks", { body, headers: idempotencyKey() }));
}

/** Fails with 412 when the task is no longer at `version`. */
export function updateTask(id: string, version: number, body: TaskBody): Promise<Task> {
  const header = { "If-Match": `"${version}"` };
  return unwrap(client.PATCH("/api/v1/tasks/{id}", { params: { path: { id }, header }, body }));
}

export async function deleteTask(id: string): Promise<void> {
  // `keepalive` lets it finish when the page is left while it can still be undone.
  await unwrap(client.DELETE("/api/v1/tasks/{id}", { params: { path: { id } }, keepalive: true }));
}

export function pauseTask(id: string): Promise<Task> {
  return unwrap(client.POST("/api/v1/tasks/{id}/pause", { params: { path: { id } }, keepalive: true }));
}

export function resumeTask(id: string): Promise<Task> {
  return unwrap(client.POST("/api/v1/tasks/{id}/resume", { params: { path: { id } }, keepalive: true }));
}

export function duplicateTask(id: string): Promise<Task> {
  return unwrap(client.POST("/api/v1/tasks/{id}/duplicate", { params: { path: { id } }, headers: idempotencyKey() }));
}

export function extendTask(id: string, expiresAt: string): Promise<Task> {
  return unwrap(client.POST("/api/v1/tasks/{id}/extend", { params: { path: { id } }, body: { expiresAt } }));
}

/** Runs a task now. With `testToMe` only the caller gets the message. */
export function runTask(id: string, testToMe: boolean): Promise<StartedRun> {
  return unwrap(
    client.POST("/api/v1/tasks/{id}/run", { params: { path: { id } }, body: { testToMe }, headers: idempotencyKey() }),
  );
}

/** Stops a run; it sends nothing. */
export async function cancelRun(runId: string): Promise<void> {
  await unwrap(client.POST("/api/v1/runs/{id}/cancel", { params: { path: { id: runId } } }));
}
