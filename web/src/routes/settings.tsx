import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import * as v from "valibot";

import { SLACK_OUTCOMES } from "@/lib/slack";
import { appRoute } from "@/routes/app";

export const settingsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/settings",
  // How signing in with Slack went.
  validateSearch: v.object({
    slack: v.optional(v.fallback(v.optional(v.picklist(SLACK_OUTCOMES)), undefined)),
  }),
  component: lazyRouteComponent(() => import("@/features/settings/SettingsPage"), "SettingsPage"),
});
