import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { verifiedQuestionsQuery } from "@/api/queries/verified";
import { appRoute } from "@/routes/app";
import { warm } from "@/routes/warm";

export const verifiedRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/verified",
  loader: ({ context }) => warm(context.queryClient.query(verifiedQuestionsQuery)),
  component: lazyRouteComponent(() => import("@/features/verified/VerifiedPage"), "VerifiedPage"),
});
