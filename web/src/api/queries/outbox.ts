import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, unwrap } from "@/api/client";

export const outboxQuery = infiniteQueryOptions({
  queryKey: ["outbox", "list"],
  queryFn: ({ pageParam }) =>
    unwrap(client.GET("/api/v1/outbox", { params: { query: { limit: 50, after: pageParam ?? undefined } } })),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.pagination.after,
  placeholderData: keepPreviousData,
  refetchInterval: 10_000,
});

export function outboxMailQuery(id: string) {
  return queryOptions({
    queryKey: ["outbox", "one", id],
    queryFn: () => unwrap(client.GET("/api/v1/outbox/{id}", { params: { path: { id } } })),
    staleTime: Infinity,
  });
}

/** The message exactly as it was sent. */
export function outboxSourceQuery(id: string) {
  return queryOptions({
    queryKey: ["outbox", "source", id],
    queryFn: () => unwrap(client.GET("/api/v1/outbox/{id}/source", { params: { path: { id } }, parseAs: "text" })),
    staleTime: Infinity,
  });
}
