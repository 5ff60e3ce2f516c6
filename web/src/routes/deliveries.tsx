import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { deliveryQuery } from "@/api/queries/deliveries";
import { appRoute } from "@/routes/app";
import { warm } from "@/routes/warm";

export const deliveryRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/deliveries/$deliveryId",
  loader: ({ context, params }) => warm(context.queryClient.query(deliveryQuery(params.deliveryId))),
  component: lazyRouteComponent(() => import("@/features/deliveries/DeliveryPage"), "DeliveryPage"),
});
