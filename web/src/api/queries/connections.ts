import { queryOptions } from "@tanstack/react-query";

import { client, everyPage, idempotencyKey, unwrap } from "@/api/client";
import type {
  ConnectionBody,
  ConnectionChanges,
  ConnectionTest,
  ConnectionTestBody,
  DataConnection,
  Grant,
} from "@/api/types";

export const connectionKeys = { all: ["connections"] as const };

export const connectionsQuery = queryOptions({
  queryKey: [...connectionKeys.all, "list"],
  queryFn: () =>
    everyPage((after) => unwrap(client.GET("/api/v1/data-connections", { params: { query: { limit: 100, after } } }))),
  staleTime: 30_000,
});

export function connectionQuery(id: string) {
  return queryOptions({
    queryKey: [...connectionKeys.all, "one", id],
    queryFn: () => unwrap(client.GET("/api/v1/data-connections/{id}", { params: { path: { id } } })),
  });
}

export function catalogQuery(id: string) {
  return queryOptions({
    queryKey: [...connectionKeys.all, "catalog", id],
    queryFn: () => unwrap(client.GET("/api/v1/data-connections/{id}/catalog", { params: { path: { id } } })),
    staleTime: 60_000,
  });
}

export function grantsQuery(id: string) {
  return queryOptions({
    queryKey: [...connectionKeys.all, "grants", id],
    queryFn: () => unwrap(client.GET("/api/v1/data-connections/{id}/grants", { params: { path: { id } } })),
    retry: false,
  });
}

export function createConnection(body: ConnectionBody): Promise<DataConnection> {
  return unwrap(client.POST("/api/v1/data-connections", { body, headers: idempotencyKey() }));
}

export function uploadConnection(form: FormData): Promise<DataConnection> {
  return unwrap(
    client.POST("/api/v1/data-connections/upload", {
      // The document describes the parts; what is sent is the form itself.
      body: { name: "", files: [] },
      bodySerializer: () => form,
      headers: idempotencyKey(),
    }),
  );
}

export function updateConnection(id: string, changes: ConnectionChanges): Promise<DataConnection> {
  return unwrap(
    client.PATCH("/api/v1/data-connections/{id}", { params: { path: { id } }, body: changes, keepalive: true }),
  );
}

export async function deleteConnection(id: string): Promise<void> {
  await unwrap(client.DELETE("/api/v1/data-connections/{id}", { params: { path: { id } }, keepalive: true }));
}

export function testConnection(id: string): Promise<ConnectionTest> {
  return unwrap(client.POST("/api/v1/data-connections/{id}/test", { params: { path: { id } } }));
}

/** Tries what is in a form, before it is saved. */
export function testUnsavedConnection(body: ConnectionTestBody): Promise<ConnectionTest> {
  return unwrap(client.POST("/api/v1/data-connections/test", { body }));
}

export function replaceGrants(id: string, values: Grant[]) {
  return unwrap(
    client.PUT("/api/v1/data-connections/{id}/grants", { params: { path: { id } }, body: { values }, keepalive: true }),
  );
}
