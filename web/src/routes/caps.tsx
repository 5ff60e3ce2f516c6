import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { appRoute } from "@/routes/app";

export const capsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/admin/caps",
  component: lazyRouteComponent(() => import("@/features/credits/caps"), "CapsPage"),
});
