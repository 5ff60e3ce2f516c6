import { queryOptions } from "@tanstack/react-query";

import { client, everyPage, unwrap } from "@/api/client";

export const peopleQuery = queryOptions({
  queryKey: ["people"],
  queryFn: () =>
    everyPage((after) => unwrap(client.GET("/api/v1/users", { params: { query: { limit: 500, after } } }))),
  staleTime: 60_000,
});

export const groupsQuery = queryOptions({
  queryKey: ["groups"],
  queryFn: () =>
    everyPage((after) => unwrap(client.GET("/api/v1/groups", { params: { query: { limit: 500, after } } }))),
  staleTime: 60_000,
});
