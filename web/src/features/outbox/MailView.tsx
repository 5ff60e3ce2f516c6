import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Paperclip } from "lucide-react";

import { ApiError } from "@/api/error";
import { outboxMailQuery, outboxSourceQuery } from "@/api/queries/outbox";
import type { OutboxMailDetail } from "@/api/types";
import { Time } from "@/components/time";
import { CopyButton } from "@/components/ui/copy-button";
import { LoadError } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { bytes } from "@/lib/number";

const route = getRouteApi("/app/outbox/$mailId");

const VIEWS = [
  [undefined, "Message"],
  ["text", "Plain text"],
  ["source", "Source"],
] as const;

/** One mail: as a reader sees it, its plain text, and its source. */
export function MailView() {
  const { mailId } = route.useParams();
  const { view } = route.useSearch();
  const navigate = route.useNavigate();
  const { data: mail, error, refetch } = useQuery(outboxMailQuery(mailId));

  if (error instanceof ApiError && error.status === 404) return <p className="text-ink-2">This mail is not there.</p>;
  if (error) return <LoadError error={error} what="The mail" onRetry={() => void refetch()} />;
  if (!mail) return <Skeleton className="h-96 w-full" />;
  return (
    <article aria-label={mail.subject}>
      <h2 className="text-lg font-semibold break-words">{mail.subject}</h2>
      <p className="mt-1 flex flex-wrap gap-x-4 text-ink-2">
        <span>From {mail.from}</span>
        <span>To {mail.to}</span>
        <Time at={mail.createdAt} />
      </p>
      <p className="mt-1 flex flex-wrap gap-x-4">
        {mail.taskId ? (
          <Link to="/tasks/$taskId" params={{ taskId: mail.taskId }} className="link">
            Task
          </Link>
        ) : null}
        {mail.threadId ? (
          <Link to="/threads/$threadId" params={{ threadId: mail.threadId }} className="link">
            Thread
          </Link>
        ) : null}
        {mail.hasProof ? (
          <Link to="/deliveries/$deliveryId" params={{ deliveryId: mail.id }} className="link">
            Delivery
          </Link>
        ) : null}
        {mail.attachments.map(({ filename, url, sizeBytes }) => (
          <a key={url} href={url} download={filename} className="link inline-flex items-center gap-1.5">
            <Paperclip className="size-3.5" aria-hidden />
            {filename} ({bytes(sizeBytes)})
          </a>
        ))}
      </p>
      <div role="group" aria-label="View" className="mt-4 flex gap-1 border-b pb-2">
        {VIEWS.map(([value, label]) => (
          <button
            key={label}
            type="button"
            aria-pressed={view === value}
            onClick={() => void navigate({ search: { view: value }, replace: true, resetScroll: false })}
            className="h-8 rounded-md px-2.5 text-ink-2 hover:bg-sunk hover:text-ink aria-pressed:bg-sunk aria-pressed:font-medium aria-pressed:text-ink pointer-coarse:h-11"
          >
            {label}
          </button>
        ))}
      </div>
      <div className="mt-4">
        {view === "source" ? (
          <Source id={mailId} />
        ) : view === "text" || !mail.htmlUrl ? (
          <Text text={mail.text} />
        ) : (
          <Html mail={mail} url={mail.htmlUrl} />
        )}
      </div>
    </article>
  );
}

/** The message in a frame that can run nothing, navigate nowhere, and reach nothing of this page. */
function Html({ mail, url }: { mail: OutboxMailDetail; url: string }) {
  return (
    <iframe
      key={mail.id}
      src={url}
      title={`Message: ${mail.subject}`}
      sandbox="allow-popups allow-popups-to-escape-sandbox"
      className="h-[max(36rem,calc(100dvh-18rem))] w-full rounded-md border"
    />
  );
}

function Text({ text }: { text: string }) {
  return <pre className="max-w-[80ch] font-sans break-words whitespace-pre-wrap">{text}</pre>;
}

function Source({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(outboxSourceQuery(id));
  if (error) return <LoadError error={error} what="The source" onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton className="h-96 w-full" />;
  return (
    <div className="relative">
      {/* It scrolls, so it must be reachable by keyboard. */}
      <pre
        tabIndex={0}
        role="group"
        aria-label="Source"
        className="sql max-h-[70vh] overflow-auto rounded-md border bg-sunk p-3 text-ink-2"
      >
        {data}
      </pre>
      <div className="absolute top-1 right-4 rounded-md bg-sunk">
        <CopyButton text={data} label="Copy source" />
      </div>
    </div>
  );
}
