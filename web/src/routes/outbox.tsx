import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import * as v from "valibot";

import { outboxMailQuery, outboxQuery } from "@/api/queries/outbox";
import { appRoute } from "@/routes/app";
import { warm } from "@/routes/warm";

export const outboxRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/outbox",
  loader: ({ context }) => warm(context.queryClient.infiniteQuery(outboxQuery)),
  component: lazyRouteComponent(() => import("@/features/outbox/OutboxPage"), "OutboxPage"),
});

export const outboxMailRoute = createRoute({
  getParentRoute: () => outboxRoute,
  path: "$mailId",
  validateSearch: v.object({
    view: v.optional(v.fallback(v.optional(v.picklist(["text", "source"])), undefined)),
  }),
  loader: ({ context, params }) => warm(context.queryClient.query(outboxMailQuery(params.mailId))),
  component: lazyRouteComponent(() => import("@/features/outbox/MailView"), "MailView"),
});
