import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ChevronRight } from "lucide-react";

import { catalogQuery } from "@/api/queries/connections";
import type { CatalogTable } from "@/api/types";
import { Time } from "@/components/time";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { SearchField } from "@/components/ui/search-field";
import { SkeletonRows } from "@/components/ui/skeleton";
import { count, counted } from "@/lib/number";

const route = getRouteApi("/app/data/$connectionId");

/** The tables of a connection and their columns. What is searched and which table is open is in the address. */
export function SchemaBrowser({ connectionId }: { connectionId: string }) {
  const { q = "", table: openTable } = route.useSearch();
  const navigate = route.useNavigate();
  const { data, error, refetch } = useQuery(catalogQuery(connectionId));
  const words = q.toLowerCase();
  const tables = data?.tables.filter(
    ({ table, columns }) =>
      table.toLowerCase().includes(words) || columns.some(({ name }) => name.toLowerCase().includes(words)),
  );
  return (
    <Section
      title={data ? counted(data.tables.length, "table") : "Tables"}
      actions={
        data ? (
          <span className="text-sm text-ink-3">
            read <Time at={data.readAt} look="inline" />
          </span>
        ) : null
      }
    >
      {error ? <LoadError error={error} what="The tables" onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonRows label="Loading tables" /> : null}
      {data && data.tables.length > 5 ? (
        <div className="py-3">
          <SearchField
            label="Search tables and columns"
            value={q}
            onSearch={(text) =>
              void navigate({ search: (current) => ({ ...current, q: text || undefined }), replace: true })
            }
          />
        </div>
      ) : null}
      {data?.tables.length === 0 ? <p className="py-3 text-ink-2">There is no table that can be read.</p> : null}
      {data && data.tables.length > 0 && tables?.length === 0 ? (
        <p className="py-3 text-ink-2">No table or column matches.</p>
      ) : null}
      <ul>
        {tables?.map((table) => (
          <TableLine
            key={table.table}
            table={table}
            isOpen={openTable === table.table}
            onToggle={() =>
              void navigate({
                search: (current) => ({ ...current, table: openTable === table.table ? undefined : table.table }),
                replace: true,
                resetScroll: false,
              })
            }
          />
        ))}
      </ul>
    </Section>
  );
}

function TableLine({ table, isOpen, onToggle }: { table: CatalogTable; isOpen: boolean; onToggle: () => void }) {
  return (
    <li className="border-b">
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={onToggle}
        className="flex w-full items-center gap-2 py-2 text-left hover:bg-sunk/60"
      >
        <ChevronRight
          aria-hidden
          className={`size-4 shrink-0 text-ink-3 transition-transform ${isOpen ? "rotate-90" : ""}`}
        />
        <span className="min-w-0 flex-1 truncate font-medium">{table.table}</span>
        <span className="tabular shrink-0 text-sm text-ink-3">
          {counted(table.columns.length, "column")}
          {table.rowEstimate === null
            ? ""
            : `, ${count(table.rowEstimate)} ${table.rowEstimate === 1 ? "row" : "rows"}`}
        </span>
      </button>
      {isOpen ? (
        <div className="pb-3 pl-6">
          {table.comment ? <p className="mb-1 text-ink-2">{table.comment}</p> : null}
          <table className="w-full text-left">
            <thead className="sr-only">
              <tr>
                <th scope="col">Column</th>
                <th scope="col">Type</th>
                <th scope="col">Comment</th>
              </tr>
            </thead>
            <tbody>
              {table.columns.map(({ name, nativeType, comment }) => (
                <tr key={name} className="align-top">
                  <td className="py-0.5 pr-4 break-words">{name}</td>
                  <td className="sql py-0.5 pr-4 text-ink-3">{nativeType}</td>
                  <td className="py-0.5 text-ink-2">{comment}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </li>
  );
}
