import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, unwrap } from "@/api/client";
import type { FeedbackBody, OwnFeedback, Page } from "@/api/types";

export const feedbackKeys = { all: ["feedback"] as const, received: ["feedback", "received"] as const };

/** What one thinks of the answers of a thread. */
export function ownFeedbackQuery(threadId: string) {
  return queryOptions({
    queryKey: [...feedbackKeys.all, "own", threadId],
    queryFn: () => unwrap(client.GET("/api/v1/threads/{id}/feedback", { params: { path: { id: threadId } } })),
  });
}

/** What others think of answers from the data that one manages. */
export const receivedFeedbackQuery = infiniteQueryOptions({
  queryKey: feedbackKeys.received,
  queryFn: ({ pageParam }) =>
    unwrap(client.GET("/api/v1/feedback", { params: { query: { limit: 25, after: pageParam ?? undefined } } })),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.pagination.after,
  placeholderData: keepPreviousData,
});

export function giveFeedback(threadId: string, body: FeedbackBody): Promise<Page<OwnFeedback>> {
  return unwrap(client.PUT("/api/v1/threads/{id}/feedback", { params: { path: { id: threadId } }, body }));
}
