import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { client, idempotencyKey, unwrap } from "@/api/client";
import type { Webhook, WebhookBody, WebhookChanges, WebhookWithSecret } from "@/api/types";

export const webhooksQuery = queryOptions({
  queryKey: ["webhooks", "list"],
  queryFn: () => unwrap(client.GET("/api/v1/webhooks")),
});

export function webhookMessagesQuery(id: string) {
  return infiniteQueryOptions({
    queryKey: ["webhooks", "messages", id],
    queryFn: ({ pageParam }) =>
      unwrap(
        client.GET("/api/v1/webhooks/{id}/messages", {
          params: { path: { id }, query: { limit: 20, after: pageParam ?? undefined } },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.pagination.after,
    placeholderData: keepPreviousData,
    refetchInterval: 5_000,
  });
}

/** The secret is in this answer and never again. */
export function createWebhook(body: WebhookBody): Promise<WebhookWithSecret> {
  return unwrap(client.POST("/api/v1/webhooks", { body, headers: idempotencyKey() }));
}

export function changeWebhook(id: string, body: WebhookChanges): Promise<Webhook> {
  return unwrap(client.PATCH("/api/v1/webhooks/{id}", { params: { path: { id } }, body }));
}

export async function deleteWebhook(id: string): Promise<void> {
  await unwrap(client.DELETE("/api/v1/webhooks/{id}", { params: { path: { id } }, keepalive: true }));
}

/** The new secret is in this answer and never again. */
export function rotateWebhook(id: string, overlapHours: number): Promise<WebhookWithSecret> {
  return unwrap(client.POST("/api/v1/webhooks/{id}/rotate", { params: { path: { id } }, body: { overlapHours } }));
}

export async function testWebhook(id: string): Promise<void> {
  await unwrap(client.POST("/api/v1/webhooks/{id}/test", { params: { path: { id } } }));
}

export async function resendWebhookMessage(id: string, messageId: string): Promise<void> {
  await unwrap(
    client.POST("/api/v1/webhooks/{id}/messages/{messageId}/resend", { params: { path: { id, messageId } } }),
  );
}
