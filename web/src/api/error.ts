/** What the API says when it refuses. */

export interface Issue {
  path: string;
  message: string;
}

export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    /** HTTP status; 0 when there was no answer at all. */
    readonly status: number,
    message: string,
    /** `NOT_FOUND`, `CONFLICT`, ... */
    readonly code: string,
    /** What is wrong field by field. */
    readonly issues: Issue[] = [],
    /** To be named when asking for help. */
    readonly traceId: string | null = null,
    /** Whole seconds to wait, from `Retry-After`. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** Reads the one error body of the API. Anything else (a proxy's page, say) becomes an error that says so. */
export function toApiError(body: unknown, response: Response): ApiError {
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const traceId = response.headers.get("X-Request-Id");
  if (typeof body === "object" && body !== null && "code" in body) {
    const { code, message, issues, traceId: id } = body as Partial<Record<string, unknown>>;
    return new ApiError(
      response.status,
      typeof message === "string" && message ? message : "The request was refused.",
      String(code),
      Array.isArray(issues) ? (issues as Issue[]) : [],
      typeof id === "string" ? id : traceId,
      retryAfter,
    );
  }
  const message =
    response.status >= 500
      ? "Tidings could not be reached, or stopped half-way. Try again in a moment."
      : `The server answered ${response.status} in words that this page does not know.`;
  return new ApiError(response.status, message, "UNKNOWN", [], traceId, retryAfter);
}

/** What to tell a person, whatever was thrown. */
export function errorMessage(error: unknown): string {
  if (!(error instanceof ApiError)) return "Something went wrong in this page. Reload it and try again.";
  if (error.status === 429) {
    const wait = error.retryAfter ? `Try again in ${error.retryAfter} s.` : "Try again in a moment.";
    return `Too many requests. ${wait}`;
  }
  if (error.status === 412) return "Somebody (or another tab of yours) changed this since you opened it.";
  return error.message;
}
