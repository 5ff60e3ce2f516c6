import type { DataConnection, Grant } from "@/api/types";

export const TYPE_WORDS: Record<string, string> = { postgres: "PostgreSQL", files: "Files" };

export const ACCESS_WORDS: Record<Grant["access"], string> = {
  view_results: "View results",
  query: "Query",
  manage: "Manage",
};

/** Where the data is, in a line; empty where that is not ours to know. */
export function placeInWords({ connectionDetails }: DataConnection): string {
  const { postgres, files } = connectionDetails;
  if (postgres) return `${postgres.hostname}:${postgres.port}/${postgres.database}`;
  return files?.path ?? "";
}
