import { useQuery } from "@tanstack/react-query";

import { meQuery } from "@/api/queries/session";
import type { ThreadSteps, Turn } from "@/api/types";
import { PromptText } from "@/components/prompt-text";
import { Time } from "@/components/time";
import { Notice } from "@/components/ui/notice";
import { plainPrompt } from "@/lib/mention";

import { AnswerView } from "./AnswerView";
import { DraftCard } from "./DraftCard";
import { StepsView } from "./StepsView";

interface TurnViewProps {
  turn: Turn;
  data: ThreadSteps;
  /** The reply's text as far as it has come in. */
  draft: string;
  isFirst: boolean;
  /** The figure that is open: `1.f3`. */
  openFigure: string | undefined;
  onFigure: (key: string) => void;
  /** Asks on in the thread; absent where nothing can be asked now. */
  ask?: ((prompt: string) => Promise<void>) | undefined;
}

/** A prompt and what came of it. */
export function TurnView({ turn, data, draft, isFirst, openFigure, onFigure, ask }: TurnViewProps) {
  const steps = data.steps.filter(({ turnNo }) => turnNo === turn.turnNo);
  const openId = openFigure?.startsWith(`${turn.turnNo}.`) ? openFigure.split(".")[1] : undefined;
  // Whoever asked may save it; the others read what was said about it.
  const hasDraft =
    data.thread.isMine &&
    steps.some(({ body }) => body.kind === "tool" && body.name === "create_task_draft" && !body.isError);
  // The first prompt is the heading of the page, unless it says more than the heading does.
  const isHeading = isFirst && plainPrompt(turn.prompt).trim() === plainPrompt(data.thread.title).trim();
  return (
    <article aria-label={`Question ${turn.turnNo}`} className={isFirst ? "" : "border-t pt-8"}>
      {isHeading ? null : (
        <div className="mb-4 border-l-2 border-line-strong pl-4 text-ink-2">
          <PromptText prompt={turn.prompt} />
          {isFirst ? null : (
            <p className="mt-0.5 text-sm text-ink-3">
              <Time at={turn.asOf} />
            </p>
          )}
        </div>
      )}
      <StepsView turn={turn} steps={steps} draft={draft} />
      {turn.answer ? (
        <AnswerView
          turn={turn}
          answer={turn.answer}
          data={data}
          ask={ask}
          openFigure={openId}
          onFigure={(id) => onFigure(`${turn.turnNo}.${id}`)}
        >
          {hasDraft ? <DraftCard threadId={data.thread.threadId} turnNo={turn.turnNo} /> : null}
        </AnswerView>
      ) : null}
      <TurnEnd turn={turn} />
    </article>
  );
}

/** How a turn without an answer ended, and what to do. */
function TurnEnd({ turn }: { turn: Turn }) {
  const { data: me } = useQuery(meQuery);
  if (turn.status === "cancelled") {
    return <Notice>Stopped{turn.message ? `: ${turn.message}` : "."} Nothing was sent.</Notice>;
  }
  if (turn.status !== "failed") return null;
  return (
    <Notice tone="bad">
      <p className="font-medium">There is no answer</p>
      <p>{turn.message ?? "Something went wrong on our side."}</p>
      <p className="text-sm">
        {me?.role === "admin" && turn.runId ? `Run ${turn.runId}` : "Ask again below, or put it in other words."}
      </p>
    </Notice>
  );
}
