import { CircleAlert, Info, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";

import { ApiError, errorMessage } from "@/api/error";
import { Button } from "@/components/ui/button";

type Tone = "info" | "warn" | "bad";

const TONES: Record<Tone, { className: string; icon: ReactNode }> = {
  info: { className: "bg-sunk text-ink-2", icon: <Info /> },
  warn: { className: "bg-warn-soft text-warn", icon: <TriangleAlert /> },
  bad: { className: "bg-bad-soft text-bad", icon: <CircleAlert /> },
};

/** Something to know about what stands below or above it. */
export function Notice({ tone = "info", children, action }: { tone?: Tone; children: ReactNode; action?: ReactNode }) {
  const { className, icon } = TONES[tone];
  return (
    <div
      role={tone === "bad" ? "alert" : undefined}
      className={`flex flex-wrap items-start gap-x-3 gap-y-2 rounded-md px-3 py-2 ${className}`}
    >
      <span aria-hidden className="mt-[3px] [&_svg]:size-4">
        {icon}
      </span>
      <div className="min-w-0 flex-1 basis-48 break-words">{children}</div>
      {action}
    </div>
  );
}

/** What stands in place of something that could not be loaded. */
export function LoadError({ error, onRetry, what }: { error: unknown; onRetry?: () => void; what: string }) {
  const traceId = error instanceof ApiError && error.status >= 500 ? error.traceId : null;
  return (
    <Notice tone="bad" action={onRetry ? <Button onClick={onRetry}>Try again</Button> : undefined}>
      <p className="font-medium">{what} could not be loaded</p>
      <p>{errorMessage(error)}</p>
      {traceId ? <p className="text-sm">Request {traceId}</p> : null}
    </Notice>
  );
}
