import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import * as v from "valibot";

import { slackQuery } from "@/api/queries/slack";
import { SLACK_OUTCOMES } from "@/lib/slack";
import { appRoute } from "@/routes/app";
import { warm } from "@/routes/warm";

export const slackRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/admin/slack",
  validateSearch: v.object({
    slack: v.optional(v.fallback(v.optional(v.picklist(SLACK_OUTCOMES)), undefined)),
  }),
  loader: ({ context }) => warm(context.queryClient.query(slackQuery)),
  component: lazyRouteComponent(() => import("@/features/slack/SlackPage"), "SlackPage"),
});
