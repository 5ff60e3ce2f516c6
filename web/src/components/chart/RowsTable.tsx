import type { Spec } from "vega";

import { rowsOf } from "./spec";

const SHOWN = 50;

/** The first rows of a chart, in place of its picture. */
export function RowsTable({ spec, label }: { spec: Spec; label: string }) {
  const { columns, rows } = rowsOf(spec);
  if (rows.length === 0) return null;
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a scrollable region must be reachable by keyboard
    <div className="overflow-x-auto border-y" tabIndex={0} role="region" aria-label={label}>
      <table className="tabular w-full text-sm">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col" className="px-3 py-2 text-left font-medium text-ink-3">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, SHOWN).map((row, position) => (
            <tr key={position} className="border-t">
              {row.map((text, column) => (
                <td key={columns[column]} className="px-3 py-1.5">
                  {text}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > SHOWN ? <p className="px-3 py-2 text-sm text-ink-3">and {rows.length - SHOWN} more rows</p> : null}
    </div>
  );
}
