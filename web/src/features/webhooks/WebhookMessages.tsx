import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { resendWebhookMessage, webhookMessagesQuery } from "@/api/queries/webhooks";
import type { Webhook, WebhookMessage } from "@/api/types";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";
import { ShowMore } from "@/components/ui/show-more";
import { SkeletonRows } from "@/components/ui/skeleton";
import { sayError } from "@/components/ui/toast";

/** What was sent to a webhook, or is to be, newest first, with what was answered. */
export function WebhookMessages({ webhook }: { webhook: Webhook }) {
  const list = useInfiniteQuery(webhookMessagesQuery(webhook.id));
  const { data, error, refetch } = list;
  const messages = data?.pages.flatMap(({ values }) => values);
  return (
    <div className="mt-2 border-l pl-4">
      {error && !messages ? <LoadError error={error} what="The messages" onRetry={() => void refetch()} /> : null}
      {!messages && !error ? <SkeletonRows rows={2} label="Loading messages" /> : null}
      {messages?.length === 0 ? <p className="py-1 text-ink-2">Nothing in the last 30 days.</p> : null}
      <ul>
        {messages?.map((message) => (
          <MessageLine key={message.id} webhook={webhook} message={message} />
        ))}
      </ul>
      <ShowMore what="messages" list={list} />
    </div>
  );
}

const STATES: Record<WebhookMessage["state"], { words: string; className: string }> = {
  pending: { words: "Waiting", className: "text-ink-2" },
  sending: { words: "Being sent", className: "text-ink-2" },
  sent: { words: "Sent", className: "text-ink-2" },
  failed: { words: "Given up", className: "text-bad" },
};

function MessageLine({ webhook, message }: { webhook: Webhook; message: WebhookMessage }) {
  const queryClient = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const { words, className } = STATES[message.state];
  const isOver = message.state === "sent" || message.state === "failed";
  const resend = async () => {
    setBusy(true);
    try {
      await resendWebhookMessage(webhook.id, message.id);
    } catch (error) {
      sayError("It was not sent again", error);
    } finally {
      setBusy(false);
    }
    await queryClient.invalidateQueries({ queryKey: webhookMessagesQuery(webhook.id).queryKey });
  };
  return (
    <li className="border-b py-2 last:border-b-0">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <code className="min-w-32">{message.event}</code>
        <span className={className}>
          {words}
          {message.nextAt && message.attempts.length > 0 ? (
            <>
              , again <Time at={message.nextAt} look="relative" />
            </>
          ) : null}
        </span>
        <span className="text-sm text-ink-3">
          <Time at={message.createdAt} />
        </span>
        {isOver && webhook.on ? (
          <Button look="quiet" className="ml-auto" busy={isBusy} onClick={() => void resend()}>
            Send again
          </Button>
        ) : null}
      </div>
      <details className="mt-0.5">
        <summary className="cursor-pointer text-sm text-ink-3">
          {message.attempts.length === 1 ? "1 attempt" : `${String(message.attempts.length)} attempts`}
        </summary>
        <ol className="mt-1 space-y-1 text-sm">
          {message.attempts.map((attempt) => (
            <li key={attempt.attempt} className="break-words text-ink-2">
              <Time at={attempt.startedAt} />: {attempt.statusCode ?? (attempt.finishedAt ? "no answer" : "under way")}
              {attempt.answer ? <span className="text-ink-3"> {attempt.answer.slice(0, 300)}</span> : null}
            </li>
          ))}
        </ol>
        {/* It scrolls, so it must be reachable by keyboard. */}
        <pre
          tabIndex={0}
          role="group"
          aria-label={`Body of ${message.event}`}
          className="sql mt-2 overflow-x-auto rounded-md bg-sunk p-2 text-sm"
        >
          {`webhook-id: ${message.id}\n\n${JSON.stringify(message.body, null, 2)}`}
        </pre>
      </details>
    </li>
  );
}
