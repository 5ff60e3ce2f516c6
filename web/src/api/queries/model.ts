import { queryOptions } from "@tanstack/react-query";

import { client, unwrap } from "@/api/client";
import type { ModelBody, ModelSettings, ModelTestOutcome } from "@/api/types";

export const modelQuery = queryOptions({
  queryKey: ["model"],
  queryFn: () => unwrap(client.GET("/api/v1/model")),
});

export function replaceModel(body: ModelBody): Promise<ModelSettings> {
  return unwrap(client.PUT("/api/v1/model", { body }));
}

export async function removeModel(): Promise<void> {
  await unwrap(client.DELETE("/api/v1/model"));
}

/** Asks a model for one word, before it is saved. */
export function testModel(body: ModelBody): Promise<ModelTestOutcome> {
  return unwrap(client.POST("/api/v1/model/test", { body }));
}
