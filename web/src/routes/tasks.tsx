import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import * as v from "valibot";

import { backtestsQuery } from "@/api/queries/backtests";
import { occurrencesQuery, taskQuery, tasksQuery } from "@/api/queries/tasks";
import { TasksPage } from "@/features/tasks/TasksPage";
import { appRoute } from "@/routes/app";
import { warm } from "@/routes/warm";

const TaskSearch = v.object({
  q: v.optional(v.fallback(v.optional(v.string()), undefined)),
  status: v.optional(v.fallback(v.optional(v.picklist(["active", "paused", "expired", "cancelled"])), undefined)),
  sort: v.optional(
    v.fallback(
      v.optional(v.picklist(["nextRunAt", "-nextRunAt", "title", "-title", "createdAt", "-createdAt"])),
      undefined,
    ),
  ),
});

export const tasksRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/tasks",
  validateSearch: TaskSearch,
  loaderDeps: ({ search }) => search,
  loader: ({ context, deps }) => warm(context.queryClient.infiniteQuery(tasksQuery(deps))),
  // The first screen: it comes with the page itself, which saves a round trip.
  component: TasksPage,
});

/** The draft to begin with: the thread and turn that it was made in. */
const NewTaskSearch = v.object({
  draft: v.optional(v.fallback(v.optional(v.string()), undefined)),
  turn: v.optional(v.fallback(v.optional(v.number()), undefined)),
});

export const newTaskRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/tasks/new",
  validateSearch: NewTaskSearch,
  component: lazyRouteComponent(() => import("@/features/tasks/NewTaskPage"), "NewTaskPage"),
});

export const taskRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/tasks/$taskId",
  loader: ({ context, params }) => {
    warm(context.queryClient.query(taskQuery(params.taskId)));
    warm(context.queryClient.query(occurrencesQuery(params.taskId)));
  },
  component: lazyRouteComponent(() => import("@/features/tasks/TaskPage"), "TaskPage"),
});

export const backtestRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/tasks/$taskId/backtest",
  loader: ({ context, params }) => {
    warm(context.queryClient.query(taskQuery(params.taskId)));
    warm(context.queryClient.query(backtestsQuery(params.taskId)));
  },
  component: lazyRouteComponent(() => import("@/features/tasks/BacktestPage"), "BacktestPage"),
});

export const editTaskRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/tasks/$taskId/edit",
  loader: ({ context, params }) => warm(context.queryClient.query(taskQuery(params.taskId))),
  component: lazyRouteComponent(() => import("@/features/tasks/EditTaskPage"), "EditTaskPage"),
});
