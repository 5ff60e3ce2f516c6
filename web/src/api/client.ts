import createClient from "openapi-fetch";

import { ApiError, toApiError } from "@/api/error";
import type { paths } from "@/api/schema";

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

/** A key that makes a repeated POST (a double click, a retry) act once. */
export function idempotencyKey(): { "Idempotency-Key": string } {
  return { "Idempotency-Key": crypto.randomUUID() };
}
