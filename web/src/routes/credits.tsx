import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import * as v from "valibot";

import { creditsQuery } from "@/api/queries/credits";
import { appRoute } from "@/routes/app";
import { warm } from "@/routes/warm";

export const creditsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/credits",
  validateSearch: v.object({
    days: v.optional(v.fallback(v.optional(v.picklist([7, 31, 90, 366])), undefined)),
  }),
  loader: ({ context }) => warm(context.queryClient.query(creditsQuery)),
  component: lazyRouteComponent(() => import("@/features/credits/CreditsPage"), "CreditsPage"),
});
