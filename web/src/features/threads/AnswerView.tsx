import { BadgeCheck, CircleHelp } from "lucide-react";
import { lazy, Suspense, type ReactNode } from "react";

import type { Answer, ThreadSteps, Turn } from "@/api/types";
import { Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { counted } from "@/lib/number";

import { AnswerFeedback } from "./AnswerFeedback";
import { CheckMark } from "./CheckMark";
import { ChartView } from "./ChartView";
import { Choices } from "./Choices";
import { FigureText, type FigureProps } from "./FigureText";
import { MethodNote } from "./MethodNote";
import { ResultView } from "./ResultView";
import { SentTo } from "./SentTo";

const AnswerMarkdown = lazy(() => import("./AnswerMarkdown").then((module) => ({ default: module.AnswerMarkdown })));

interface AnswerViewProps extends Omit<FigureProps, "figures"> {
  turn: Turn;
  answer: Answer;
  data: ThreadSteps;
  /** Asks on in the thread; absent where nothing can be asked now. */
  ask?: ((prompt: string) => Promise<void>) | undefined;
  /** What else came of the turn. */
  children?: ReactNode;
}

/** The finding, how far it is checked, what to know about it, and what it rests on. */
export function AnswerView({ turn, answer, data, ask, openFigure, onFigure, children }: AnswerViewProps) {
  const figureProps: FigureProps = { figures: answer.figures, openFigure, onFigure };
  const { threadId, taskId, isMine } = data.thread;
  // What is said at the top is not said again below.
  const caveats = answer.caveats.filter(
    (caveat) => ![answer.stale, answer.verified?.sentence, answer.method?.sentence].includes(caveat),
  );
  return (
    <div className="space-y-6" data-testid={`answer-${turn.turnNo}`}>
      {answer.stale ? (
        <div className="max-w-[68ch]">
          <Notice tone="warn">{answer.stale}</Notice>
        </div>
      ) : null}
      <div>
        <h2 className="max-w-[48ch] text-xl font-semibold tracking-[-0.014em] text-pretty">
          <FigureText text={answer.headline} {...figureProps} />
        </h2>
        <CheckedShare answer={answer} />
        {answer.verified ? (
          <p className="mt-1 flex max-w-[68ch] items-start gap-1.5 text-sm text-accent">
            <BadgeCheck className="mt-0.5 size-4 shrink-0" aria-hidden />
            {answer.verified.sentence}
          </p>
        ) : null}
      </div>
      {isMine && taskId && turn.runId ? <CheckMark runId={turn.runId} /> : null}
      {!isMine && answer.why ? <p className="max-w-[68ch] text-ink-2">{answer.why}</p> : null}
      {answer.method ? <MethodNote method={answer.method} results={data.results} /> : null}
      {answer.body.trim() ? (
        <Suspense fallback={<Skeleton className="h-20 w-full max-w-[68ch]" />}>
          <AnswerMarkdown text={answer.body} {...figureProps} />
        </Suspense>
      ) : null}
      {answer.choices.length > 0 ? <Choices choices={answer.choices} isMine={isMine} ask={ask} /> : null}
      {answer.charts.map(({ id, title, alt }) => {
        const chart = data.charts.find((one) => one.id === id);
        return (
          <ChartView key={id} threadId={threadId} chartId={id} title={title} alt={alt} height={chart?.height ?? 320} />
        );
      })}
      {answer.results.map(({ id }) => {
        const result = data.results.find((one) => one.id === id);
        return result ? (
          <ResultView key={id} threadId={threadId} result={result} />
        ) : (
          <Skeleton key={id} className="h-40" />
        );
      })}
      {caveats.length > 0 ? (
        <section aria-label="What to know" className="max-w-[68ch] border-l-2 border-warn pl-4 text-ink-2">
          <h3 className="text-sm font-medium text-ink">What to know</h3>
          <ul className="mt-1 space-y-1">
            {caveats.map((caveat, index) => (
              <li key={index}>
                <FigureText text={caveat} {...figureProps} />
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      {isMine && taskId && turn.runId ? <SentTo runId={turn.runId} /> : null}
      {children}
      <AnswerFeedback turn={turn} data={data} />
    </div>
  );
}

function CheckedShare({ answer }: { answer: Answer }) {
  const all = answer.figures.length;
  const checked = answer.figures.filter((figure) => figure.checked).length;
  const by = answer.model === "builtin" ? "built-in analyst" : answer.model;
  return (
    <p className="mt-2 flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-ink-3">
      {all === 0 ? null : checked === all ? (
        <span className="inline-flex items-center gap-1.5 text-accent">
          <BadgeCheck className="size-4" aria-hidden />
          {all === 1 ? "Its one figure is in the data" : `All ${counted(all, "figure")} are in the data`}
        </span>
      ) : (
        <span className="inline-flex items-center gap-1.5 text-warn">
          <CircleHelp className="size-4" aria-hidden />
          {checked} of {counted(all, "figure")} found in the data; the others are marked
        </span>
      )}
      <span>Answered by {by}</span>
    </p>
  );
}
