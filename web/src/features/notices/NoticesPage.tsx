import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect } from "react";

import { newestNoticesQuery, noticesQuery, readNotices } from "@/api/queries/notices";
import type { NoticeToPerson } from "@/api/types";
import { Time } from "@/components/time";
import { LoadError } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";
import { ShowMore } from "@/components/ui/show-more";
import { SkeletonRows } from "@/components/ui/skeleton";

/** Word about one's tasks, newest first. Seen, they count as read; those that were new keep their mark until one leaves. */
export function NoticesPage() {
  const list = useInfiniteQuery(noticesQuery);
  const { data, error, refetch } = list;
  const notices = data?.pages.flatMap(({ values }) => values);
  useRead(notices?.[0]);
  return (
    <Page title="Notices" width="read" lead="What went wrong with your tasks and their messages, and what works again.">
      {error && !notices ? <LoadError error={error} what="Your notices" onRetry={() => void refetch()} /> : null}
      {!notices && !error ? <SkeletonRows label="Loading notices" /> : null}
      {notices?.length === 0 ? (
        <p className="border-t py-3 text-ink-2">Nothing. All your tasks do what they should.</p>
      ) : null}
      {notices && notices.length > 0 ? (
        <ul className="border-t">
          {notices.map((notice) => (
            <NoticeLine key={notice.id} notice={notice} />
          ))}
        </ul>
      ) : null}
      <ShowMore what="notices" list={list} />
    </Page>
  );
}

function useRead(newest: NoticeToPerson | undefined): void {
  const queryClient = useQueryClient();
  const id = newest?.id;
  const isUnread = newest?.readAt === null;
  useEffect(() => {
    if (id === undefined || !isUnread) return;
    readNotices(id)
      .then(() => queryClient.invalidateQueries({ queryKey: newestNoticesQuery.queryKey }))
      // They stay unread, and are read the next time.
      .catch(() => undefined);
  }, [id, isUnread, queryClient]);
}

function NoticeLine({ notice }: { notice: NoticeToPerson }) {
  const { headline, advice, details, taskId, kind, createdAt, readAt } = notice;
  return (
    <li className="flex gap-3 border-b py-3">
      <span
        aria-hidden
        className={`mt-2 size-2 shrink-0 rounded-full ${readAt === null ? "bg-accent" : "bg-transparent"}`}
      />
      <div className="min-w-0 flex-1">
        <p className="font-medium break-words">
          {readAt === null ? <span className="sr-only">New: </span> : null}
          {headline}
        </p>
        <p className="max-w-[68ch] break-words text-ink-2">{advice}</p>
        {details ? <p className="mt-1 max-w-[68ch] border-l pl-3 text-sm break-words text-ink-3">{details}</p> : null}
        <p className="mt-1 flex flex-wrap gap-x-4 text-sm text-ink-3">
          <Time at={createdAt} />
          {taskId ? (
            <Link to="/tasks/$taskId" params={{ taskId }} className="link">
              Open the task
            </Link>
          ) : null}
          {kind === "webhook_off" ? (
            <Link to="/admin/webhooks" className="link">
              Open the webhooks
            </Link>
          ) : null}
          {(kind === "cap_near" || kind === "cap_reached") && !taskId ? (
            <Link to="/admin/caps" className="link">
              Open the caps
            </Link>
          ) : null}
        </p>
      </div>
    </li>
  );
}
