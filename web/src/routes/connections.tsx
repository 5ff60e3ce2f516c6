import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import * as v from "valibot";

import { connectionQuery, connectionsQuery } from "@/api/queries/connections";
import { appRoute } from "@/routes/app";
import { warm } from "@/routes/warm";

export const connectionsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/data",
  loader: ({ context }) => warm(context.queryClient.query(connectionsQuery)),
  component: lazyRouteComponent(() => import("@/features/connections/ConnectionsPage"), "ConnectionsPage"),
});

export const newConnectionRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/data/new",
  validateSearch: v.object({
    type: v.optional(v.fallback(v.optional(v.picklist(["postgres", "files", "upload"])), undefined)),
  }),
  component: lazyRouteComponent(() => import("@/features/connections/NewConnectionPage"), "NewConnectionPage"),
});

export const connectionRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/data/$connectionId",
  validateSearch: v.object({
    q: v.optional(v.fallback(v.optional(v.string()), undefined)),
    table: v.optional(v.fallback(v.optional(v.string()), undefined)),
  }),
  loader: ({ context, params }) => warm(context.queryClient.query(connectionQuery(params.connectionId))),
  component: lazyRouteComponent(() => import("@/features/connections/ConnectionPage"), "ConnectionPage"),
});
