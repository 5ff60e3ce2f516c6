import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, unwrap } from "@/api/client";
import type { CapList, CreditCaps, Schedule } from "@/api/types";

/** The caps of the workspace and of its members; of oneself only, for others than admins. */
export const capsQuery = queryOptions({
  queryKey: ["credits", "caps"],
  queryFn: () => unwrap(client.GET("/api/v1/credits/caps")),
});

export function setWorkspaceCaps(body: CreditCaps): Promise<CapList> {
  return unwrap(client.PUT("/api/v1/credits/caps/workspace", { body }));
}

/** Both caps absent: the member has none any more. */
export function setUserCaps(id: string, body: CreditCaps): Promise<CapList> {
  return unwrap(client.PUT("/api/v1/credits/caps/users/{id}", { params: { path: { id } }, body }));
}

/** What a task that is being edited will cost. */
export function estimateQuery(prompt: string, schedule: Schedule, taskId: string | undefined) {
  return queryOptions({
    queryKey: ["credits", "estimate", prompt, schedule, taskId],
    queryFn: () =>
      unwrap(client.POST("/api/v1/credits/estimate", { body: { prompt, schedule, taskId: taskId ?? null } })),
    placeholderData: keepPreviousData,
    // A schedule that is not whole yet is refused; the editor says so at its fields.
    retry: false,
    staleTime: 60_000,
  });
}
