import { Button } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";

/** What of an infinite query is needed here. */
interface Listed {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  isFetchNextPageError: boolean;
  error: unknown;
  fetchNextPage: () => Promise<unknown>;
}

/** Stands below a list that goes on. `what` is what it lists, as in “More tasks could not be loaded”. */
export function ShowMore({ what, list }: { what: string; list: Listed }) {
  const load = () => void list.fetchNextPage();
  if (list.isFetchNextPageError) {
    return (
      <div className="mt-4">
        <LoadError error={list.error} what={`More ${what}`} onRetry={load} />
      </div>
    );
  }
  if (!list.hasNextPage) return null;
  return (
    <Button className="mt-4" busy={list.isFetchingNextPage} onClick={load}>
      {list.isFetchingNextPage ? "Loading…" : "Show more"}
    </Button>
  );
}
