import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";

import { ApiError } from "@/api/error";

/** What to do when the session has ended under the page; set by the router. */
let onSignedOut = (): void => undefined;

export function setOnSignedOut(handler: () => void): void {
  onSignedOut = handler;
}

function notice(error: unknown): void {
  if (error instanceof ApiError && error.status === 401) onSignedOut();
}

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: notice }),
  mutationCache: new MutationCache({ onError: notice }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What the server refused it will refuse again; only what never reached it, or broke it, is tried once more.
      retry: (failures, error) =>
        failures < 1 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
    },
  },
});
