import { createRoute, redirect } from "@tanstack/react-router";

import { ApiError } from "@/api/error";
import { meQuery } from "@/api/queries/session";
import { AppShell } from "@/components/app-shell";
import { AppError } from "@/components/route-states";
import { rootRoute } from "@/routes/root";

/** Everything that needs a signed-in person. */
export const appRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "app",
  component: AppShell,
  errorComponent: AppError,
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queryClient.query({ ...meQuery, staleTime: "static" });
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        throw redirect({ to: "/sign-in", search: { next: location.href }, replace: true });
      }
      throw error;
    }
  },
});
