import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, unwrap } from "@/api/client";

export const noticesQuery = infiniteQueryOptions({
  queryKey: ["notices", "list"],
  queryFn: ({ pageParam }) =>
    unwrap(client.GET("/api/v1/notices", { params: { query: { limit: 50, after: pageParam ?? undefined } } })),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.pagination.after,
  placeholderData: keepPreviousData,
});

/** The newest ones, for the number of unread ones that every screen shows. */
export const newestNoticesQuery = queryOptions({
  queryKey: ["notices", "newest"],
  queryFn: () => unwrap(client.GET("/api/v1/notices", { params: { query: { limit: 20 } } })),
  refetchInterval: 60_000,
});

export async function readNotices(upTo: string): Promise<void> {
  await unwrap(client.POST("/api/v1/notices/read", { body: { upTo } }));
}
