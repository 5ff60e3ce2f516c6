import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";

import { connectionsQuery } from "@/api/queries/connections";
import { meQuery } from "@/api/queries/session";
import type { DataConnection } from "@/api/types";
import { buttonClass } from "@/components/ui/button";
import { Empty } from "@/components/ui/empty";
import { LoadError } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";
import { SkeletonRows } from "@/components/ui/skeleton";
import { useHidden } from "@/components/undo";

import { TestMark } from "./TestMark";
import { ACCESS_WORDS, placeInWords, TYPE_WORDS } from "./words";

/** The data that questions can be asked of. */
export function ConnectionsPage() {
  const { data, error, refetch } = useQuery(connectionsQuery);
  const { data: me } = useQuery(meQuery);
  const hidden = useHidden();
  const connections = data?.values.filter(({ id }) => !hidden.has(id));
  const mayCreate = me?.role === "admin" || me?.role === "manager";

  return (
    <Page
      title="Data"
      actions={
        mayCreate ? (
          <Link to="/data/new" className={buttonClass("primary")}>
            <Plus aria-hidden />
            Connect data
          </Link>
        ) : null
      }
    >
      {error && !data ? <LoadError error={error} what="The connections" onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonRows label="Loading connections" /> : null}
      {connections?.length === 0 ? <NoDataYet mayCreate={mayCreate} /> : null}
      {connections && connections.length > 0 ? (
        <ul className="border-t">
          {connections.map((connection) => (
            <ConnectionLine key={connection.id} connection={connection} />
          ))}
        </ul>
      ) : null}
    </Page>
  );
}

function ConnectionLine({ connection }: { connection: DataConnection }) {
  const { id, name, type, description, access } = connection;
  return (
    <li className="relative grid grid-cols-1 gap-x-6 gap-y-1 border-b py-3 hover:bg-sunk/60 md:grid-cols-[minmax(0,2fr)_minmax(0,2fr)_minmax(0,2fr)_7rem]">
      <div className="min-w-0">
        <Link
          to="/data/$connectionId"
          params={{ connectionId: id }}
          className="font-medium break-words after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-accent"
        >
          {name}
        </Link>
        {description ? <p className="text-sm text-ink-2">{description}</p> : null}
      </div>
      <p className="min-w-0 text-ink-2">
        {TYPE_WORDS[type] ?? type}
        <span className="block truncate text-sm text-ink-3">{placeInWords(connection)}</span>
      </p>
      <TestMark test={connection.lastTest} />
      <p className="text-ink-2">{ACCESS_WORDS[access]}</p>
    </li>
  );
}

function NoDataYet({ mayCreate }: { mayCreate: boolean }) {
  return (
    <Empty
      title="Connect the data you want to ask about"
      action={
        mayCreate ? (
          <>
            <Link to="/data/new" search={{ type: "upload" }} className={buttonClass("primary")}>
              Upload files
            </Link>
            <Link to="/data/new" search={{ type: "postgres" }} className={buttonClass("secondary")}>
              Connect PostgreSQL
            </Link>
          </>
        ) : null
      }
    >
      <p>
        A PostgreSQL database, or files: CSV, Parquet, JSON. The agent can only read, inside limits on time and size,
        and only what the person who asks may query.
      </p>
      {mayCreate ? null : (
        <p>Ask a manager or an administrator of this workspace to connect some, or to grant you some.</p>
      )}
    </Empty>
  );
}
