import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";

import { ApiError } from "@/api/error";
import { webhooksQuery } from "@/api/queries/webhooks";
import { Button } from "@/components/ui/button";
import { LoadError, Notice } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";
import { SkeletonRows } from "@/components/ui/skeleton";
import { useHidden } from "@/components/undo";

import { NewWebhook } from "./NewWebhook";
import { WebhookLine } from "./WebhookLine";

/** The workspace's webhooks, for admins. */
export function WebhooksPage() {
  const { data, error, refetch } = useQuery(webhooksQuery);
  const [isMaking, setMaking] = useState(false);
  const hidden = useHidden();
  const webhooks = data?.values.filter(({ id }) => !hidden.has(id));
  const isRefused = error instanceof ApiError && error.status === 403;
  return (
    <Page
      title="Webhooks"
      width="read"
      lead="Addresses of your own that are told of runs, messages and tasks as they happen, signed as Standard Webhooks says."
      actions={
        isRefused ? null : (
          <Button look="primary" onClick={() => setMaking(true)}>
            <Plus aria-hidden />
            New webhook
          </Button>
        )
      }
    >
      {isRefused ? <Notice>Webhooks are for admins of the workspace.</Notice> : null}
      {error && !isRefused ? <LoadError error={error} what="The webhooks" onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonRows rows={3} label="Loading webhooks" /> : null}
      {webhooks?.length === 0 ? (
        <p className="border-t py-3 text-ink-2">None. A webhook lets another system act on what happens here.</p>
      ) : null}
      {webhooks && webhooks.length > 0 ? (
        <ul className="border-t">
          {webhooks.map((webhook) => (
            <WebhookLine key={webhook.id} webhook={webhook} />
          ))}
        </ul>
      ) : null}
      {isMaking ? <NewWebhook onClose={() => setMaking(false)} /> : null}
    </Page>
  );
}
