import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ThumbsDown, ThumbsUp } from "lucide-react";

import { receivedFeedbackQuery } from "@/api/queries/feedback";
import type { Feedback } from "@/api/types";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";
import { SkeletonRows } from "@/components/ui/skeleton";

/** What readers think of answers from data that one manages. */
export function ReceivedFeedback() {
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useInfiniteQuery(receivedFeedbackQuery);
  if (error && !data) return <LoadError error={error} what="The feedback" onRetry={() => void refetch()} />;
  if (!data) return <SkeletonRows rows={3} label="Loading feedback" />;
  const values = data.pages.flatMap((page) => page.values);
  if (values.length === 0) {
    return <p className="py-3 text-ink-2">None yet. Readers give it with the thumbs below an answer.</p>;
  }
  return (
    <>
      <ul>
        {values.map((feedback) => (
          <FeedbackLine key={feedback.id} feedback={feedback} />
        ))}
      </ul>
      {hasNextPage ? (
        <Button className="mt-3" busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {isFetchingNextPage ? "Loading…" : "Show more"}
        </Button>
      ) : null}
    </>
  );
}

function FeedbackLine({ feedback }: { feedback: Feedback }) {
  const { rating, reason, by, question, headline, mayOpen, threadId, updatedAt } = feedback;
  const isUp = rating === "up";
  return (
    <li className="flex gap-3 border-b py-3">
      <span className={`mt-[3px] shrink-0 [&_svg]:size-4 ${isUp ? "text-accent" : "text-warn"}`}>
        {isUp ? <ThumbsUp aria-hidden /> : <ThumbsDown aria-hidden />}
        <span className="sr-only">{isUp ? "It helped" : "It did not help"}</span>
      </span>
      <div className="min-w-0 flex-1 break-words">
        {question === null ? (
          <p className="text-ink-2">A question that is not shared with you</p>
        ) : mayOpen ? (
          <Link to="/threads/$threadId" params={{ threadId }} className="link font-medium">
            {question}
          </Link>
        ) : (
          <p className="font-medium">{question}</p>
        )}
        {headline ? <p className="text-ink-2">{headline}</p> : null}
        {reason ? <p className="mt-1">“{reason}”</p> : null}
        <p className="text-sm text-ink-3">
          {by}, <Time at={updatedAt} look="relative" />
        </p>
      </div>
    </li>
  );
}
