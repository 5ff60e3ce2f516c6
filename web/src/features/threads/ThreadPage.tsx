import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { CalendarClock, Share2, Square } from "lucide-react";
import { useState } from "react";

import { ApiError } from "@/api/error";
import { cancelThread, followUp, threadQuery } from "@/api/queries/threads";
import type { ThreadSteps } from "@/api/types";
import { QuietTask } from "@/components/quiet-task";
import { NotFound } from "@/components/route-states";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { sayError } from "@/components/ui/toast";
import { plainPrompt } from "@/lib/mention";
import { isUnfinished } from "@/lib/thread-events";

import { AskBox } from "./AskBox";
import { FigurePanel } from "./FigurePanel";
import { ShareDialog } from "./ShareDialog";
import { TurnView } from "./TurnView";
import { useLiveThread } from "./use-live-thread";

const route = getRouteApi("/app/threads/$threadId");

/** One analysis: what was asked, what the agent did, what it found. */
export function ThreadPage() {
  const { threadId } = route.useParams();
  const { data, error, refetch } = useQuery({
    ...threadQuery(threadId),
    // Should the stream be cut off by something in between, the page still arrives.
    refetchInterval: ({ state }) => (state.data?.turns.some(isUnfinished) ? 15_000 : false),
  });
  if (data) return <OpenThread threadId={threadId} data={data} />;
  if (error instanceof ApiError && error.status === 404) return <NotFound what="This thread" />;
  return (
    <Page title="Thread" heading={error ? "Thread" : <Skeleton className="h-7 w-96 max-w-full" />} width="read">
      {error ? <LoadError error={error} what="The thread" onRetry={() => void refetch()} /> : <ThreadSkeleton />}
    </Page>
  );
}

function ThreadSkeleton() {
  return (
    <div role="status" aria-label="Loading the thread" className="space-y-4">
      <Skeleton className="h-4 w-64" />
      <Skeleton className="h-6 w-full max-w-[40rem]" />
      <Skeleton className="h-72 w-full max-w-[40rem]" />
    </div>
  );
}

function OpenThread({ threadId, data }: { threadId: string; data: ThreadSteps }) {
  const { thread, turns } = data;
  const draft = useLiveThread(threadId, data);
  const queryClient = useQueryClient();
  const navigate = route.useNavigate();
  const { figure } = route.useSearch();
  const isBusy = turns.some(isUnfinished);

  const refresh = () => queryClient.invalidateQueries({ queryKey: threadQuery(threadId).queryKey, exact: true });
  const ask = async (prompt: string) => {
    await followUp(threadId, prompt);
    await refresh();
  };
  const showFigure = (key: string | undefined) =>
    void navigate({ search: { figure: key }, replace: true, resetScroll: false });

  return (
    <Page
      title={plainPrompt(thread.title)}
      width="read"
      headingLook="text-lg font-medium text-ink-2"
      lead={<ThreadOrigin thread={thread} />}
      actions={
        <>
          {isBusy && thread.isMine ? <StopButton threadId={threadId} onStopped={refresh} /> : null}
          {thread.taskId && !thread.isMine ? <QuietTask taskId={thread.taskId} /> : null}
          <ShareButton threadId={threadId} isMine={thread.isMine} />
        </>
      }
    >
      <div className="space-y-12">
        {turns.map((turn) => (
          <TurnView
            key={turn.turnNo}
            turn={turn}
            data={data}
            draft={draft?.turnNo === turn.turnNo ? draft.text : ""}
            isFirst={turn.turnNo === turns[0]?.turnNo}
            openFigure={figure}
            onFigure={showFigure}
            ask={thread.isMine && !isBusy && turn === turns.at(-1) ? ask : undefined}
          />
        ))}
      </div>
      {thread.isMine ? (
        <div className="mt-12">
          <AskBox
            label="Ask a follow-up"
            placeholder="Ask a follow-up"
            disabledReason={isBusy ? "Wait for the answer, or stop it, before you ask on." : undefined}
            ask={ask}
          />
        </div>
      ) : (
        <p className="mt-12 border-t pt-4 text-ink-2">
          This thread belongs to {thread.creator.name}, who alone can ask on in it.{" "}
          <Link to="/threads" className="link">
            Ask a question of your own
          </Link>
        </p>
      )}
      <FigurePanel threadId={threadId} data={data} figureKey={figure} onClose={() => showFigure(undefined)} />
    </Page>
  );
}

function ThreadOrigin({ thread }: { thread: ThreadSteps["thread"] }) {
  return (
    <p className="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-ink-3">
      {thread.taskId ? (
        <Link
          to="/tasks/$taskId"
          params={{ taskId: thread.taskId }}
          className="link inline-flex items-center gap-1.5 text-sm"
        >
          <CalendarClock className="size-3.5" aria-hidden />
          {thread.taskTitle && thread.taskTitle !== thread.title ? thread.taskTitle : "Task"}
        </Link>
      ) : null}
      {thread.isMine ? null : <span>{thread.creator.name}</span>}
      <Time at={thread.createdAt} />
    </p>
  );
}

function StopButton({ threadId, onStopped }: { threadId: string; onStopped: () => Promise<void> }) {
  const [isStopping, setStopping] = useState(false);
  const stop = async () => {
    setStopping(true);
    try {
      await cancelThread(threadId);
      await onStopped();
    } catch (error) {
      sayError("It goes on", error);
    } finally {
      setStopping(false);
    }
  };
  return (
    <Button onClick={() => void stop()} busy={isStopping}>
      <Square aria-hidden />
      {isStopping ? "Stopping…" : "Stop"}
    </Button>
  );
}

function ShareButton({ threadId, isMine }: { threadId: string; isMine: boolean }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button onClick={() => setOpen(true)}>
        <Share2 aria-hidden />
        Share
      </Button>
      {isOpen ? <ShareDialog threadId={threadId} isMine={isMine} onClose={() => setOpen(false)} /> : null}
    </>
  );
}
