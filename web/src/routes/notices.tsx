import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { appRoute } from "@/routes/app";

export const noticesRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/notices",
  component: lazyRouteComponent(() => import("@/features/notices/NoticesPage"), "NoticesPage"),
});
