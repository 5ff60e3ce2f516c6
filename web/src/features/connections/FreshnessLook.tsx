import { Check, Hourglass } from "lucide-react";

import type { FreshnessLook as Look } from "@/api/types";
import { asSentence } from "@/lib/form";

/** Whether data was fresh when it was looked at, and what was found. */
export function FreshnessLook({ look: { isFresh, message } }: { look: Look }) {
  return (
    <p className="min-w-0">
      <span className={`inline-flex items-center gap-1.5 [&_svg]:size-3.5 ${isFresh ? "" : "text-warn"}`}>
        {isFresh ? <Check aria-hidden /> : <Hourglass aria-hidden />}
        {isFresh ? "Fresh" : "Not fresh"}
      </span>
      <span className="block text-sm break-words text-ink-2">{asSentence(message)}</span>
    </p>
  );
}
