import { queryOptions } from "@tanstack/react-query";

import { client, everyPage, unwrap } from "@/api/client";

export const peopleQuery = queryOptions({
  queryKey: ["people"],
  queryFn: () =>
    everyPage((after) => unwrap(client.GET("/api/v1/users", { params: { query: { limit: 500, after } } }))),
  staleTime: 60_000,
});

/** By what ways each member is told. */
export const reachQuery = queryOptions({
  queryKey: ["people", "reach"],
  queryFn: () => unwrap(client.GET("/api/v1/workspace/reach")),
  staleTime: 60_000,
});

export const groupsQuery = queryOptions({
  queryKey: ["groups"],
  queryFn: () =>
    everyPage((after) => unwrap(client.GET("/api/v1/groups", { params: { query: { limit: 500, after } } }))),
  staleTime: 60_000,
});
