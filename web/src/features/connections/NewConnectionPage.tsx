import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";

import { connectionKeys } from "@/api/queries/connections";
import type { DataConnection } from "@/api/types";
import { Page } from "@/components/ui/page";
import { say } from "@/components/ui/toast";

import { FilesForm } from "./FilesForm";
import { PostgresForm } from "./PostgresForm";
import { UploadForm } from "./UploadForm";

const route = getRouteApi("/app/data/new");

const KINDS = [
  ["upload", "Upload files", "CSV, gzipped CSV, Parquet or JSON from your computer"],
  ["postgres", "PostgreSQL", "A database, or what speaks its protocol"],
  ["files", "Folder on the server", "Files in a folder that the operator allows"],
] as const;

/** One of three ways to connect data. */
export function NewConnectionPage() {
  const { type = "upload" } = route.useSearch();
  const navigate = route.useNavigate();
  const queryClient = useQueryClient();
  const onCreated = async (connection: DataConnection) => {
    await queryClient.invalidateQueries({ queryKey: connectionKeys.all });
    say(`“${connection.name}” connected.`);
    await navigate({ to: "/data/$connectionId", params: { connectionId: connection.id } });
  };
  return (
    <Page title="Connect data" width="read">
      <nav aria-label="Kind of data" className="mb-8">
        <ul className="grid border-y sm:grid-cols-3 sm:divide-x">
          {KINDS.map(([kind, label, hint]) => (
            <li key={kind}>
              <Link
                to="/data/new"
                search={{ type: kind }}
                replace
                data-chosen={type === kind}
                className="block border-l-2 border-l-transparent px-4 py-3 hover:bg-sunk data-[chosen=true]:border-l-accent data-[chosen=true]:bg-sunk"
              >
                <span className="font-medium">{label}</span>
                <span className="block text-sm text-ink-3">{hint}</span>
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      {type === "upload" ? <UploadForm onCreated={onCreated} /> : null}
      {type === "postgres" ? <PostgresForm onCreated={onCreated} /> : null}
      {type === "files" ? <FilesForm onCreated={onCreated} /> : null}
    </Page>
  );
}
