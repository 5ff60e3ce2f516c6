import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, idempotencyKey, unwrap } from "@/api/client";
import type { CreditBalance } from "@/api/types";

export const creditKeys = { all: ["credits"] as const };

/** What the workspace has left. */
export const creditsQuery = queryOptions({
  queryKey: [...creditKeys.all, "balance"],
  queryFn: () => unwrap(client.GET("/api/v1/credits")),
  refetchInterval: 20_000,
});

/** Where the credits of the last days went: the workspace's for admins, one's own for others. */
export function creditSummaryQuery(days: number) {
  return queryOptions({
    queryKey: [...creditKeys.all, "summary", days],
    queryFn: () => unwrap(client.GET("/api/v1/credits/summary", { params: { query: { days } } })),
    placeholderData: keepPreviousData,
  });
}

/** Gives the workspace credits; with an amount below zero, takes so many back. */
export function grantCredits(amount: number, note: string): Promise<CreditBalance> {
  return unwrap(client.POST("/api/v1/credits", { body: { amount, note: note || null }, headers: idempotencyKey() }));
}
