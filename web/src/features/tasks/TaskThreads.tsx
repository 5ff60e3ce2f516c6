import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { taskThreadsQuery } from "@/api/queries/threads";
import type { Task } from "@/api/types";
import { Time } from "@/components/time";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { SkeletonRows } from "@/components/ui/skeleton";

/** The latest answers of a task, also of runs that no schedule started. */
export function TaskThreads({ task }: { task: Task }) {
  const { data, error, refetch } = useQuery(taskThreadsQuery(task.id));
  return (
    <Section title="Latest threads">
      {error ? <LoadError error={error} what="The threads" onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonRows rows={2} label="Loading threads" /> : null}
      {data?.values.length === 0 ? <p className="py-3 text-ink-2">None yet: each run makes one.</p> : null}
      <ul>
        {data?.values.map(({ threadId, headline, status, createdAt }) => (
          <li key={threadId} className="relative border-b py-2 hover:bg-sunk/60">
            <Link
              to="/threads/$threadId"
              params={{ threadId }}
              className="line-clamp-2 after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent"
            >
              {headline ?? (status === "RUNNING" ? "Working…" : "No answer")}
            </Link>
            <span className="text-sm text-ink-3">
              <Time at={createdAt} zone={task.schedule.timezone} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
