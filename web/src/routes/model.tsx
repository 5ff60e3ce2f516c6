import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { appRoute } from "@/routes/app";

export const modelRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/admin/model",
  component: lazyRouteComponent(() => import("@/features/model/ModelPage"), "ModelPage"),
});
