import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, idempotencyKey, unwrap } from "@/api/client";
import type { CompiledChart, ResultPage, Sharing, SharingBody } from "@/api/types";

export const threadKeys = { all: ["threads"] as const, list: ["threads", "list"] as const };

/** Rows asked for at a time. */
export const RESULT_PAGE_ROWS = 200;

export function threadsQuery(q?: string) {
  return infiniteQueryOptions({
    queryKey: [...threadKeys.list, { q }],
    queryFn: ({ pageParam }) =>
      unwrap(client.GET("/api/v1/threads", { params: { query: { q, limit: 50, after: pageParam ?? undefined } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.pagination.after,
    placeholderData: keepPreviousData,
    refetchInterval: 20_000,
  });
}

/** The latest threads of a task. */
export function taskThreadsQuery(taskId: string) {
  return queryOptions({
    queryKey: [...threadKeys.list, "task", taskId],
    queryFn: () => unwrap(client.GET("/api/v1/threads", { params: { query: { taskId, limit: 5 } } })),
    refetchInterval: 10_000,
  });
}

/** A thread with everything that happened in it. */
export function threadQuery(id: string) {
  return queryOptions({
    queryKey: [...threadKeys.all, "one", id],
    queryFn: () => unwrap(client.GET("/api/v1/threads/{id}/steps", { params: { path: { id } } })),
  });
}

/** `limit` rows of a stored result, from row `offset`. They never change. */
export function resultRowsQuery(threadId: string, resultId: string, offset: number, limit = RESULT_PAGE_ROWS) {
  return queryOptions({
    queryKey: [...threadKeys.all, "rows", threadId, resultId, offset, limit],
    queryFn: async () => {
      const request = client.GET("/api/v1/threads/{id}/results/{rid}", {
        params: { path: { id: threadId, rid: resultId }, query: { offset, limit } },
      });
      // The document has CSV as well; without `format` it is JSON.
      return (await unwrap(request)) as ResultPage;
    },
    staleTime: Infinity,
  });
}

export function resultCsvUrl(threadId: string, resultId: string): string {
  return `/api/v1/threads/${threadId}/results/${resultId}?format=csv`;
}

export function chartQuery(threadId: string, chartId: string) {
  return queryOptions({
    queryKey: [...threadKeys.all, "chart", threadId, chartId],
    queryFn: async () => {
      const request = client.GET("/api/v1/threads/{id}/charts/{cid}", {
        params: { path: { id: threadId, cid: chartId } },
      });
      // The document has pictures as well; without an ending it is JSON.
      return (await unwrap(request)) as CompiledChart;
    },
    staleTime: Infinity,
  });
}

/** The tasks drafted in a thread, up to one turn of it. They never change. */
export function taskDraftsQuery(threadId: string, turnNo: number) {
  return queryOptions({
    queryKey: [...threadKeys.all, "drafts", threadId, turnNo],
    queryFn: () => unwrap(client.GET("/api/v1/threads/{id}/task-drafts", { params: { path: { id: threadId } } })),
    staleTime: Infinity,
  });
}

export function askQuestion(prompt: string): Promise<{ threadId: string }> {
  return unwrap(client.POST("/api/v1/threads", { body: { prompt }, headers: idempotencyKey() }));
}

export function followUp(threadId: string, prompt: string): Promise<{ threadId: string }> {
  return unwrap(
    client.POST("/api/v1/threads/{id}/followup", {
      params: { path: { id: threadId } },
      body: { prompt },
      headers: idempotencyKey(),
    }),
  );
}

export async function cancelThread(threadId: string): Promise<void> {
  await unwrap(client.POST("/api/v1/threads/{id}/cancel", { params: { path: { id: threadId } } }));
}

export function sharingQuery(threadId: string) {
  return queryOptions({
    queryKey: [...threadKeys.all, "sharing", threadId],
    queryFn: () => unwrap(client.GET("/api/v1/threads/{id}/sharing", { params: { path: { id: threadId } } })),
  });
}

export function replaceSharing(threadId: string, body: SharingBody): Promise<Sharing> {
  return unwrap(client.PUT("/api/v1/threads/{id}/sharing", { params: { path: { id: threadId } }, body }));
}
