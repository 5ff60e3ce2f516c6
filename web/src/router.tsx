import { createRouter } from "@tanstack/react-router";

import { RouteError, RouteNotFound } from "@/components/route-states";
import { queryClient, setOnSignedOut } from "@/query-client";
import { appRoute } from "@/routes/app";
import { capsRoute } from "@/routes/caps";
import { connectionRoute, connectionsRoute, newConnectionRoute } from "@/routes/connections";
import { creditsRoute } from "@/routes/credits";
import { deliveryRoute } from "@/routes/deliveries";
import { homeRoute } from "@/routes/home";
import { modelRoute } from "@/routes/model";
import { noticesRoute } from "@/routes/notices";
import { outboxMailRoute, outboxRoute } from "@/routes/outbox";
import { rootRoute } from "@/routes/root";
import { settingsRoute } from "@/routes/settings";
import { signInRoute } from "@/routes/sign-in";
import { slackRoute } from "@/routes/slack";
import { backtestRoute, editTaskRoute, newTaskRoute, taskRoute, tasksRoute } from "@/routes/tasks";
import { threadRoute, threadsRoute } from "@/routes/threads";
import { verifiedRoute } from "@/routes/verified";
import { webhooksRoute } from "@/routes/webhooks";

const routeTree = rootRoute.addChildren([
  signInRoute,
  homeRoute,
  appRoute.addChildren([
    tasksRoute,
    newTaskRoute,
    taskRoute,
    editTaskRoute,
    backtestRoute,
    threadsRoute,
    threadRoute,
    connectionsRoute,
    newConnectionRoute,
    connectionRoute,
    deliveryRoute,
    outboxRoute.addChildren([outboxMailRoute]),
    noticesRoute,
    creditsRoute,
    settingsRoute,
    verifiedRoute,
    webhooksRoute,
    modelRoute,
    capsRoute,
    slackRoute,
  ]),
]);

export const router = createRouter({
  routeTree,
  context: { queryClient },
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0,
  scrollRestoration: true,
  defaultErrorComponent: RouteError,
  defaultNotFoundComponent: RouteNotFound,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

setOnSignedOut(() => {
  const { pathname, href } = router.state.location;
  if (pathname === "/sign-in") return;
  queryClient.clear();
  void router.navigate({ to: "/sign-in", search: { next: href } });
});
