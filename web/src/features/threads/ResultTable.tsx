import { useQueries } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef } from "react";

import { RESULT_PAGE_ROWS, resultRowsQuery } from "@/api/queries/threads";
import type { Cell, Column, ThreadResult } from "@/api/types";
import { LoadError } from "@/components/ui/notice";
import { cellText, columnWidths, isNumeric } from "@/lib/cells";

const ROW_HEIGHT = 32;
const MOST_VISIBLE_ROWS = 12;

/** Rows of a stored result. Only those in view exist, and only their pages are asked for. */
export function ResultTable({ threadId, result }: { threadId: string; result: ThreadResult }) {
  const scroller = useRef<HTMLDivElement>(null);
  const { columns, rowCount } = result;
  const virtualizer = useVirtualizer({
    count: rowCount,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
  });
  const shown = virtualizer.getVirtualItems();
  const firstPage = Math.floor((shown[0]?.index ?? 0) / RESULT_PAGE_ROWS);
  const lastPage = Math.floor((shown.at(-1)?.index ?? 0) / RESULT_PAGE_ROWS);
  const pages = [...new Set([0, firstPage, lastPage])];
  const replies = useQueries({
    queries: pages.map((page) => resultRowsQuery(threadId, result.id, page * RESULT_PAGE_ROWS)),
  });
  const rowAt = (index: number): Cell[] | undefined => {
    const page = pages.indexOf(Math.floor(index / RESULT_PAGE_ROWS));
    return replies[page]?.data?.rows[index % RESULT_PAGE_ROWS];
  };
  const failed = replies.find(({ error }) => error);
  const template = columnWidths(columns, replies[0]?.data?.rows ?? [])
    .map((width) => `minmax(${width + 3}ch, max-content)`)
    .join(" ");

  if (failed?.error) return <LoadError error={failed.error} what="The rows" onRetry={() => void failed.refetch()} />;
  if (rowCount === 0) return <p className="border-y py-3 text-ink-2">The query returned no rows.</p>;
  return (
    <div
      ref={scroller}
      role="table"
      aria-label={`Rows of ${result.handle}`}
      aria-rowcount={rowCount + 1}
      // It scrolls, so it must be reachable by keyboard.
      tabIndex={0}
      className="tabular overflow-auto border-y"
      style={{ height: ROW_HEIGHT * (Math.min(rowCount, MOST_VISIBLE_ROWS) + 1) + 2 }}
    >
      <div role="rowgroup" className="sticky top-0 z-1 min-w-max bg-paper">
        <div role="row" aria-rowindex={1} className="grid border-b" style={{ gridTemplateColumns: template }}>
          {columns.map((column) => (
            <HeaderCell key={column.name} column={column} />
          ))}
        </div>
      </div>
      <div role="rowgroup" className="relative min-w-max" style={{ height: virtualizer.getTotalSize() }}>
        {shown.map(({ index, start }) => (
          <div
            key={index}
            role="row"
            aria-rowindex={index + 2}
            className="absolute inset-x-0 grid border-b border-line/60"
            style={{ gridTemplateColumns: template, height: ROW_HEIGHT, transform: `translateY(${start}px)` }}
          >
            {columns.map((column, place) => (
              <BodyCell key={column.name} column={column} cell={rowAt(index)?.[place]} />
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

function HeaderCell({ column }: { column: Column }) {
  return (
    <div
      role="columnheader"
      title={column.type}
      className={`eyebrow flex h-8 items-center truncate px-3 first:pl-0 ${isNumeric(column.type) ? "justify-end" : ""}`}
    >
      {column.name}
    </div>
  );
}

function BodyCell({ column, cell }: { column: Column; cell: Cell | undefined }) {
  const text = cell === undefined ? "" : cellText(cell, column);
  return (
    <div
      role="cell"
      title={text && text.length > 40 ? text : undefined}
      className={`truncate px-3 leading-8 first:pl-0 ${isNumeric(column.type) ? "text-right" : "max-w-[44ch]"}`}
    >
      {text ?? <span className="text-ink-3 italic">null</span>}
    </div>
  );
}
