import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { appRoute } from "@/routes/app";

export const settingsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/settings",
  component: lazyRouteComponent(() => import("@/features/settings/SettingsPage"), "SettingsPage"),
});
