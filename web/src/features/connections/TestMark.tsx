import { Check, CircleAlert } from "lucide-react";

import type { DataConnection } from "@/api/types";
import { Time } from "@/components/time";
import { counted } from "@/lib/number";

/** How the last test of a connection went. */
export function TestMark({ test }: { test: DataConnection["lastTest"] }) {
  if (!test) return <p className="text-ink-3">Not tested yet</p>;
  if (test.ok) {
    return (
      <p className="min-w-0">
        <span className="inline-flex items-center gap-1.5">
          <Check className="size-3.5" aria-hidden />
          Works{test.tables === null ? "" : `, ${counted(test.tables, "table")}`}
        </span>
        <span className="block text-sm text-ink-3">
          <Time at={test.at} />
        </span>
      </p>
    );
  }
  return (
    <p className="min-w-0 text-bad">
      <span className="inline-flex items-center gap-1.5">
        <CircleAlert className="size-3.5" aria-hidden />
        Cannot be read
      </span>
      <span className="block text-sm break-words">{test.message}</span>
    </p>
  );
}
