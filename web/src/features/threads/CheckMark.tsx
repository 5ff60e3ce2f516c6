import { useQuery } from "@tanstack/react-query";
import { BellRing, CircleHelp, Minus } from "lucide-react";
import type { ReactNode } from "react";

import { runQuery } from "@/api/queries/tasks";
import type { Check } from "@/api/types";
import { checkInWords } from "@/lib/check";

const LOOKS: Record<Check["verdict"], { icon: ReactNode; className: string }> = {
  holds: { icon: <BellRing />, className: "text-ink-2" },
  first: { icon: <BellRing />, className: "text-ink-2" },
  does_not_hold: { icon: <Minus />, className: "text-ink-2" },
  not_evaluated: { icon: <CircleHelp />, className: "text-warn" },
};

/** What came of the condition of the task whose run this turn was, for the task's creator; nothing where it has none. */
export function CheckMark({ runId }: { runId: string }) {
  const { data: run } = useQuery({ ...runQuery(runId), retry: false });
  if (!run?.check) return null;
  const { icon, className } = LOOKS[run.check.verdict];
  return (
    <p className={`flex max-w-[68ch] items-start gap-1.5 [&_svg]:size-4 ${className}`}>
      <span aria-hidden className="mt-[3px]">
        {icon}
      </span>
      <span className="min-w-0 break-words">{checkInWords(run.check, run.status, run.trigger)}</span>
    </p>
  );
}
