import { ChevronRight } from "lucide-react";
import { useState } from "react";

import type { Answer, ThreadResult } from "@/api/types";
import { Sql } from "@/components/sql";
import { Notice } from "@/components/ui/notice";

interface MethodNoteProps {
  method: NonNullable<Answer["method"]>;
  results: ThreadResult[];
}

/** What came of the task's pinned query; where it comes to other rows, with both queries. */
export function MethodNote({ method, results }: MethodNoteProps) {
  const [isOpen, setOpen] = useState(false);
  const sqlOf = (id: string | null | undefined) => results.find((result) => result.id === id)?.sql;
  const [pinned, own] = [sqlOf(method.pinned), sqlOf(method.own)];
  if (method.outcome === "same") return <p className="text-sm text-ink-3">{method.sentence}</p>;
  return (
    <div className="max-w-[68ch]">
      <Notice tone="warn">
        <p>{method.sentence}</p>
        {method.detail ? <p className="mt-1 text-ink-2">It was told: {method.detail}</p> : null}
        {pinned !== undefined ? (
          <button
            type="button"
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
            className="mt-1 -ml-1 inline-flex items-center gap-1 rounded-sm px-1"
          >
            <ChevronRight
              aria-hidden
              className={`size-3.5 shrink-0 transition-transform ${isOpen ? "rotate-90" : ""}`}
            />
            Both queries
          </button>
        ) : null}
      </Notice>
      {isOpen && pinned !== undefined ? (
        <dl className="mt-2 space-y-3">
          <div>
            <dt className="mb-1 text-sm font-medium">Pinned</dt>
            <dd>
              <Sql sql={pinned} />
            </dd>
          </div>
          {own !== undefined ? (
            <div>
              <dt className="mb-1 text-sm font-medium">Behind this answer</dt>
              <dd>
                <Sql sql={own} />
              </dd>
            </div>
          ) : null}
        </dl>
      ) : null}
    </div>
  );
}
