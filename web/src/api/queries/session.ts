import { queryOptions } from "@tanstack/react-query";

import { client, unwrap } from "@/api/client";
import type { Me } from "@/api/types";

/** Who is signed in. Fails with 401 when nobody is. */
export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: () => unwrap(client.GET("/api/v1/me")),
  staleTime: 5 * 60_000,
  retry: false,
});

export function signIn(credentials: { email: string; password: string }): Promise<Me> {
  return unwrap(client.POST("/api/v1/session", { body: credentials }));
}

/** Trades a one-time sign-in link for a session. */
export function signInByLink(token: string): Promise<Me> {
  return unwrap(client.POST("/api/v1/session/link", { body: { token } }));
}

export async function signOut(): Promise<void> {
  await unwrap(client.DELETE("/api/v1/session"));
}

export function updateMe(changes: { name?: string; timezone?: string }): Promise<Me> {
  return unwrap(client.PATCH("/api/v1/me", { body: changes }));
}
