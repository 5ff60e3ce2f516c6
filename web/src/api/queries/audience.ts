import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, unwrap } from "@/api/client";
import type { AudiencePolicy, ConnectionAudience, Notification } from "@/api/types";

/** Who would see what of a task's answers that rest on these connections. */
export function taskAudienceQuery(connectionIds: string[], notification: Notification) {
  return queryOptions({
    queryKey: ["task-audience", connectionIds, notification],
    queryFn: () =>
      unwrap(
        client.POST("/api/v1/tasks/audience", {
          body: {
            prompt: "",
            context: { connectionIds, semanticModelIds: [], projectIds: [] },
            notification,
          },
        }),
      ),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    retry: false,
  });
}

export const audiencePolicyQuery = queryOptions({
  queryKey: ["audience-policy"],
  queryFn: () => unwrap(client.GET("/api/v1/workspace/audience")),
});

export function replaceAudiencePolicy(body: AudiencePolicy): Promise<AudiencePolicy> {
  return unwrap(client.PUT("/api/v1/workspace/audience", { body, keepalive: true }));
}

export function connectionAudienceQuery(id: string) {
  return queryOptions({
    queryKey: ["connections", "audience", id],
    queryFn: () => unwrap(client.GET("/api/v1/data-connections/{id}/audience", { params: { path: { id } } })),
  });
}

export function replaceConnectionAudience(id: string, body: ConnectionAudience): Promise<ConnectionAudience> {
  return unwrap(
    client.PUT("/api/v1/data-connections/{id}/audience", { params: { path: { id } }, body, keepalive: true }),
  );
}
