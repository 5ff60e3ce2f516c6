import { ChevronRight, Download } from "lucide-react";
import { useState } from "react";

import { resultCsvUrl } from "@/api/queries/threads";
import type { ThreadResult } from "@/api/types";
import { Sql } from "@/components/sql";
import { Time } from "@/components/time";
import { buttonClass } from "@/components/ui/button";
import { counted } from "@/lib/number";
import { durationInWords } from "@/lib/time";

import { ResultTable } from "./ResultTable";

/** A result that the answer rests on: its rows, its query, its CSV. */
export function ResultView({ threadId, result }: { threadId: string; result: ThreadResult }) {
  const [isSqlOpen, setSqlOpen] = useState(false);
  return (
    <section aria-label={`Result ${result.handle}`}>
      <div className="mb-1 flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <p className="text-sm text-ink-3">
          {counted(result.rowCount, "row")}
          {result.truncated ? (
            <span className="text-warn"> (cut at the limit on {result.truncated})</span>
          ) : null} from {result.connectionName}, <Time at={result.ranAt} look="inline" />, in{" "}
          {durationInWords(result.elapsedMs)}
        </p>
        <div className="flex items-center">
          <button
            type="button"
            aria-expanded={isSqlOpen}
            onClick={() => setSqlOpen(!isSqlOpen)}
            className={buttonClass("quiet", "h-8! px-2! text-sm!")}
          >
            <ChevronRight aria-hidden className={`transition-transform ${isSqlOpen ? "rotate-90" : ""}`} />
            SQL
          </button>
          <a
            href={resultCsvUrl(threadId, result.id)}
            download={`${result.handle}.csv`}
            className={buttonClass("quiet", "h-8! px-2! text-sm!")}
          >
            <Download aria-hidden />
            CSV
          </a>
        </div>
      </div>
      {isSqlOpen ? (
        <div className="mb-2">
          <Sql sql={result.sql} />
        </div>
      ) : null}
      <ResultTable threadId={threadId} result={result} />
    </section>
  );
}
