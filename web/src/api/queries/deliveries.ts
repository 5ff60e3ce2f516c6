import { queryOptions } from "@tanstack/react-query";

import { client, idempotencyKey, unwrap } from "@/api/client";

const UNFINISHED = ["pending", "sending", "unknown"];

/** All that is known of one delivery; looked at again while it is on its way. */
export function deliveryQuery(id: string) {
  return queryOptions({
    queryKey: ["deliveries", id],
    queryFn: () => unwrap(client.GET("/api/v1/deliveries/{id}", { params: { path: { id } } })),
    refetchInterval: ({ state }) => (state.data && UNFINISHED.includes(state.data.state) ? 2_000 : false),
    retry: false,
  });
}

/** Queues the same message for the same recipient once more; answers the new delivery's id. */
export async function sendAgain(id: string): Promise<string> {
  const { deliveryId } = await unwrap(
    client.POST("/api/v1/deliveries/{id}/send-again", { params: { path: { id } }, headers: idempotencyKey() }),
  );
  return deliveryId;
}
