import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import * as v from "valibot";

import { threadQuery, threadsQuery } from "@/api/queries/threads";
import { appRoute } from "@/routes/app";
import { warm } from "@/routes/warm";

export const threadsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/threads",
  validateSearch: v.object({ q: v.optional(v.fallback(v.optional(v.string()), undefined)) }),
  loaderDeps: ({ search }) => search,
  loader: ({ context, deps }) => warm(context.queryClient.infiniteQuery(threadsQuery(deps.q))),
  component: lazyRouteComponent(() => import("@/features/threads/ThreadsPage"), "ThreadsPage"),
});

export const threadRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/threads/$threadId",
  // The figure that is being looked into: turn and figure, `1.f3`.
  validateSearch: v.object({ figure: v.optional(v.fallback(v.optional(v.string()), undefined)) }),
  loader: ({ context, params }) => warm(context.queryClient.query(threadQuery(params.threadId))),
  component: lazyRouteComponent(() => import("@/features/threads/ThreadPage"), "ThreadPage"),
});
