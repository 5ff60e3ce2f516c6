import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useMemo } from "react";

import { meQuery } from "@/api/queries/session";
import { tasksQuery } from "@/api/queries/tasks";
import type { Task } from "@/api/types";
import { buttonClass } from "@/components/ui/button";
import { Empty } from "@/components/ui/empty";
import { LoadError } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";
import { SearchField } from "@/components/ui/search-field";
import { ShowMore } from "@/components/ui/show-more";
import { SkeletonRows } from "@/components/ui/skeleton";
import { useHidden } from "@/components/undo";

import { TasksTable } from "./TasksTable";

const route = getRouteApi("/app/tasks");

const STATUSES: [Task["status"] | undefined, string][] = [
  [undefined, "All"],
  ["active", "Active"],
  ["paused", "Paused"],
  ["expired", "Expired"],
];

/** The tasks one owns. What is searched, filtered and sorted by is in the address. */
export function TasksPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const list = useInfiniteQuery(tasksQuery(search));
  const { data, error, refetch } = list;
  const { data: me } = useQuery(meQuery);
  const isGuest = me?.role === "guest";
  const hidden = useHidden();
  const tasks = useMemo(
    () => data?.pages.flatMap(({ values }) => values).filter(({ id }) => !hidden.has(id)),
    [data, hidden],
  );
  const isFiltered = Boolean(search.q ?? search.status);

  return (
    <Page
      title="Tasks"
      actions={
        isGuest ? null : (
          <Link to="/tasks/new" className={buttonClass("primary")}>
            <Plus aria-hidden />
            New task
          </Link>
        )
      }
    >
      {tasks?.length === 0 && !isFiltered ? (
        <NothingYet isGuest={isGuest} />
      ) : (
        <>
          <div className="mb-3 flex flex-wrap items-center gap-x-5 gap-y-2">
            <SearchField
              label="Search tasks"
              value={search.q ?? ""}
              onSearch={(q) =>
                void navigate({ search: (current) => ({ ...current, q: q || undefined }), replace: true })
              }
            />
            <div role="group" aria-label="Status" className="flex gap-1">
              {STATUSES.map(([status, label]) => (
                <button
                  key={label}
                  type="button"
                  aria-pressed={search.status === status}
                  onClick={() => void navigate({ search: (current) => ({ ...current, status }) })}
                  className="h-9 rounded-md px-2.5 text-ink-2 transition-colors hover:bg-sunk hover:text-ink aria-pressed:bg-sunk aria-pressed:font-medium aria-pressed:text-ink"
                >
                  {label}
                </button>
              ))}
            </div>
          </div>
          {error && !tasks ? <LoadError error={error} what="Your tasks" onRetry={() => void refetch()} /> : null}
          {tasks === undefined && !error ? <SkeletonRows label="Loading tasks" /> : null}
          {tasks && tasks.length > 0 ? (
            <TasksTable
              tasks={tasks}
              sort={search.sort}
              onSort={(sort) => void navigate({ search: (current) => ({ ...current, sort }), replace: true })}
            />
          ) : null}
          {tasks?.length === 0 ? (
            <p className="border-t py-6 text-ink-2">
              No task matches.{" "}
              <Link to="/tasks" className="link">
                Show all tasks
              </Link>
            </p>
          ) : null}
          <ShowMore what="tasks" list={list} />
        </>
      )}
    </Page>
  );
}

function NothingYet({ isGuest }: { isGuest: boolean }) {
  if (!isGuest) return <NoTasksYet />;
  return (
    <p className="border-t py-6 text-ink-2">
      Guests read what is shared with them, under Threads. To ask questions of your own, ask an administrator for
      another role.
    </p>
  );
}

function NoTasksYet() {
  return (
    <Empty
      title="Ask once, be told every time"
      action={
        <>
          <Link to="/tasks/new" className={buttonClass("primary")}>
            <Plus aria-hidden />
            Write your first task
          </Link>
          <Link to="/threads" className={buttonClass("secondary")}>
            Try a question first
          </Link>
        </>
      }
    >
      <p>
        A task is a question with a schedule. Each time it fires, an agent reads your data, writes the SQL, draws the
        chart and sends the answer to the people you choose. Every figure in it can be traced to the row it came from.
      </p>
      <p>
        For example: “Which products had the most signups last week, and how does that compare with the week before?”
        Every Monday, 09:00.
      </p>
    </Empty>
  );
}
