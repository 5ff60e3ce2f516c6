import createClient from "openapi-fetch";

import { ApiError, toApiError } from "@/api/error";
import type { paths } from "@/api/schema";
import type { Page } from "@/api/types";

/** The API, typed by its OpenAPI document. */
export const client = createClient<paths>({ credentials: "same-origin" });

interface Reply<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a successful answer; throws {@link ApiError} otherwise. */
export async function unwrap<T>(request: Promise<Reply<T>>): Promise<T> {
  let reply: Reply<T>;
  try {
    reply = await request;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "Tidings cannot be reached. Check your connection and try again.", "UNREACHABLE");
  }
  if (!reply.response.ok) throw toApiError(reply.error, reply.response);
  return reply.data as T;
}

/** All pages of a list, one after the other, as one. */
export async function everyPage<T>(fetchPage: (after: string | undefined) => Promise<Page<T>>): Promise<Page<T>> {
  const all = await fetchPage(undefined);
  const values = [...all.values];
  for (let after = all.pagination.after; after !== null;) {
    const next = await fetchPage(after);
    values.push(...next.values);
    after = next.pagination.after;
  }
  return { values, pagination: { before: null, after: null } };
}

/** A key that makes a repeated POST (a double click, a retry) act once. */
export function idempotencyKey(): { "Idempotency-Key": string } {
  return { "Idempotency-Key": crypto.randomUUID() };
}
