import { queryOptions } from "@tanstack/react-query";

import { client, unwrap } from "@/api/client";

/** Places that messages do not reach: those that a task names, or all that concern the reader. */
export function destinationsQuery(taskId?: string) {
  return queryOptions({
    queryKey: ["destinations", taskId ?? "all"],
    queryFn: () => unwrap(client.GET("/api/v1/destinations", { params: { query: taskId ? { taskId } : {} } })),
    refetchInterval: 60_000,
  });
}

export async function resumeDestination(id: string): Promise<void> {
  await unwrap(client.POST("/api/v1/destinations/{id}/resume", { params: { path: { id } } }));
}
