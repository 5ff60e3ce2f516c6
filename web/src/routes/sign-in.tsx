import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import * as v from "valibot";

import { rootRoute } from "@/routes/root";

/** Where to go after signing in: a path of this page, never another site. */
const Next = v.pipe(v.string(), v.regex(/^\/(?![/\\])/));

export const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/sign-in",
  validateSearch: v.object({ next: v.optional(v.fallback(v.optional(Next), undefined)) }),
  component: lazyRouteComponent(() => import("@/features/session/SignInPage"), "SignInPage"),
});
