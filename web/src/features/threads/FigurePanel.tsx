import { useQuery } from "@tanstack/react-query";

import { resultRowsQuery } from "@/api/queries/threads";
import type { CellRef, Figure, ThreadResult, ThreadSteps } from "@/api/types";
import { Sql } from "@/components/sql";
import { Time } from "@/components/time";
import { SidePanel } from "@/components/ui/dialog";
import { LoadError, Notice } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import { cellText, isNumeric } from "@/lib/cells";
import { count, counted } from "@/lib/number";

interface FigurePanelProps {
  threadId: string;
  data: ThreadSteps;
  /** Turn and figure: `1.f3`. */
  figureKey: string | undefined;
  onClose: () => void;
}

/** Where a figure comes from: the query, and the row with the cell. */
export function FigurePanel({ threadId, data, figureKey, onClose }: FigurePanelProps) {
  const [turnNo, id] = figureKey?.split(".") ?? [];
  const turn = data.turns.find((one) => String(one.turnNo) === turnNo);
  const figure = turn?.answer?.figures.find((one) => one.id === id);
  return (
    <SidePanel open={figure !== undefined} onClose={onClose} title="Where this comes from">
      {figure ? <FigureSource threadId={threadId} data={data} figure={figure} /> : null}
    </SidePanel>
  );
}

function FigureSource({ threadId, data, figure }: { threadId: string; data: ThreadSteps; figure: Figure }) {
  const resultIds = [...new Set(figure.cells.map(({ resultId }) => resultId))];
  return (
    <div className="space-y-5">
      <div>
        <p className="tabular text-2xl font-semibold tracking-[-0.02em] break-words">{figure.text}</p>
        {figure.expression ? <p className="sql mt-1 break-words text-ink-3">{figure.expression}</p> : null}
      </div>
      {figure.checked ? null : (
        <Notice tone="warn">
          This figure was not found in the data that the agent queried. Do not rely on it before you have checked it.
        </Notice>
      )}
      {resultIds.map((resultId) => {
        const result = data.results.find((one) => one.id === resultId);
        const cells = figure.cells.filter((cell) => cell.resultId === resultId);
        return result ? (
          <ResultSource key={resultId} threadId={threadId} result={result} cells={cells} />
        ) : (
          <Skeleton key={resultId} className="h-32" />
        );
      })}
    </div>
  );
}

function ResultSource({ threadId, result, cells }: { threadId: string; result: ThreadResult; cells: CellRef[] }) {
  return (
    <div className="space-y-3">
      <SourceRows threadId={threadId} result={result} cells={cells} />
      <div>
        <p className="mb-1 text-sm text-ink-3">
          From {result.connectionName}, <Time at={result.ranAt} look="inline" />
        </p>
        <Sql sql={result.sql} />
      </div>
    </div>
  );
}

const CONTEXT_ROWS = 2;
const MOST_ROWS = 40;

function SourceRows({ threadId, result, cells }: { threadId: string; result: ThreadResult; cells: CellRef[] }) {
  const rows = cells.flatMap(({ row }) => (row === null ? [] : [row]));
  const first = rows.length > 0 ? Math.max(0, Math.min(...rows) - CONTEXT_ROWS) : 0;
  const last = rows.length > 0 ? Math.max(...rows) + CONTEXT_ROWS : 7;
  const limit = Math.min(last - first + 1, MOST_ROWS);
  const { data, error, refetch } = useQuery(resultRowsQuery(threadId, result.id, first, limit));
  if (error) return <LoadError error={error} what="The rows" onRetry={() => void refetch()} />;
  if (!data) return <Skeleton className="h-36" />;

  const isHit = (row: number, column: string) =>
    cells.some((cell) => (cell.row === null || cell.row === row) && (cell.column === null || cell.column === column));
  return (
    <>
      <p className="text-sm text-ink-3">{whatIsUsed(cells, result)}</p>
      {/* It scrolls, so it must be reachable by keyboard. */}
      <div tabIndex={0} role="group" aria-label="Rows" className="max-h-80 overflow-auto border-y">
        <table className="tabular w-full text-left">
          <thead className="sticky top-0 bg-raised">
            <tr className="border-b">
              <th scope="col" className="eyebrow h-8 pr-3 text-right font-medium">
                <span className="sr-only">Row</span>
              </th>
              {data.columns.map(({ name, type }) => (
                <th
                  key={name}
                  scope="col"
                  className={`eyebrow h-8 pr-4 font-medium whitespace-nowrap last:pr-1 ${isNumeric(type) ? "text-right" : ""}`}
                >
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.rows.map((cellsOfRow, index) => {
              const row = first + index;
              return (
                <tr key={row} className="border-b border-line/60 last:border-b-0">
                  <td className="h-8 pr-3 text-right text-sm text-ink-3">{count(row + 1)}</td>
                  {data.columns.map((column, place) => (
                    <td
                      key={column.name}
                      className={`h-8 pr-4 whitespace-nowrap last:pr-1 ${isNumeric(column.type) ? "text-right" : ""}`}
                    >
                      <Highlight isOn={isHit(row, column.name)}>
                        {cellText(cellsOfRow[place] ?? null, column) ?? "null"}
                      </Highlight>
                    </td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Highlight({ isOn, children }: { isOn: boolean; children: string }) {
  if (!isOn) return children;
  return (
    <mark className="-mx-1.5 rounded-sm bg-accent-soft px-1.5 py-1 font-semibold text-accent-strong outline outline-accent">
      {children}
    </mark>
  );
}

function whatIsUsed(cells: CellRef[], result: ThreadResult): string {
  const [cell] = cells;
  if (!cell) return "";
  if (cell.row === null && cell.column === null) return `The number of rows: ${counted(result.rowCount, "row")}`;
  if (cell.row === null) return `All ${counted(result.rowCount, "row")} of “${cell.column ?? ""}”`;
  if (cells.length > 1) return `${counted(cells.length, "cell")} of ${counted(result.rowCount, "row")}`;
  return `Row ${count(cell.row + 1)} of ${count(result.rowCount)}, “${cell.column ?? ""}”`;
}
