/** How the "SQL" of a comparison begins, which no query of its own made. */
const COMPARED = "-- Compared by compare_results;";

/** Whether a result comes of a query: one that can be run again, verified and pinned. */
export function isQueried({ sql }: { sql: string }): boolean {
  return !sql.startsWith(COMPARED);
}
