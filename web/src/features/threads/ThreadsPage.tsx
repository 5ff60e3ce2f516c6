import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";

import { meQuery } from "@/api/queries/session";
import { askQuestion, threadKeys, threadsQuery } from "@/api/queries/threads";
import type { ThreadSummary } from "@/api/types";
import { Time } from "@/components/time";
import { LoadError } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";
import { SearchField } from "@/components/ui/search-field";
import { ShowMore } from "@/components/ui/show-more";
import { SkeletonRows } from "@/components/ui/skeleton";
import { plainPrompt } from "@/lib/mention";

import { AskBox } from "./AskBox";

const route = getRouteApi("/app/threads");

/** A box to ask in, and everything that was asked and answered. */
export function ThreadsPage() {
  const { q } = route.useSearch();
  const navigate = route.useNavigate();
  const queryClient = useQueryClient();
  const list = useInfiniteQuery(threadsQuery(q));
  const { data, error, refetch } = list;
  const { data: me } = useQuery(meQuery);
  const threads = data?.pages.flatMap(({ values }) => values);

  return (
    <Page title="Threads" width="read">
      <AskBox
        label="Ask a question"
        placeholder="Ask a question of your data. Type @ to say which."
        disabledReason={
          me?.role === "guest" ? "Guests read what is shared with them; ask an editor to ask for you." : undefined
        }
        ask={async (prompt) => {
          const { threadId } = await askQuestion(prompt);
          void queryClient.invalidateQueries({ queryKey: threadKeys.list });
          await navigate({ to: "/threads/$threadId", params: { threadId } });
        }}
      />
      <div className="mt-9 mb-3">
        <SearchField
          label="Search threads"
          value={q ?? ""}
          onSearch={(text) => void navigate({ search: { q: text || undefined }, replace: true })}
        />
      </div>
      {error && !threads ? <LoadError error={error} what="The threads" onRetry={() => void refetch()} /> : null}
      {threads === undefined && !error ? <SkeletonRows label="Loading threads" /> : null}
      {threads?.length === 0 ? (
        <p className="border-t py-6 text-ink-2">
          {q
            ? "No thread matches."
            : "Nothing was asked yet. Each question above, and each run of a task, makes a thread that stays here with its answer, its queries and its data."}
        </p>
      ) : null}
      {threads && threads.length > 0 ? (
        <ul className="border-t">
          {threads.map((thread) => (
            <ThreadLine key={thread.threadId} thread={thread} ownId={me?.id} />
          ))}
        </ul>
      ) : null}
      <ShowMore what="threads" list={list} />
    </Page>
  );
}

function ThreadLine({ thread, ownId }: { thread: ThreadSummary; ownId: string | undefined }) {
  const { threadId, title, headline, status, taskTitle, creator, createdAt } = thread;
  const origin = [taskTitle ? "Task" : null, creator.id === ownId ? null : creator.name].filter(Boolean).join(" by ");
  return (
    <li className="relative border-b py-3 hover:bg-sunk/60">
      <div className="flex items-baseline justify-between gap-4">
        <Link
          to="/threads/$threadId"
          params={{ threadId }}
          className="min-w-0 truncate font-medium after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent"
        >
          {plainPrompt(title)}
        </Link>
        <span className="shrink-0 text-sm text-ink-3">
          <Time at={createdAt} />
        </span>
      </div>
      <p className="flex gap-2 text-ink-2">
        {status === "RUNNING" ? <span className="text-accent">Working…</span> : null}
        {status === "ERROR" ? <span className="text-bad">No answer</span> : null}
        <span className="min-w-0 flex-1 truncate">{status === "IDLE" ? headline : ""}</span>
        {origin ? <span className="shrink-0 text-sm text-ink-3">{origin}</span> : null}
      </p>
    </li>
  );
}
