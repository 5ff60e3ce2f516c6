import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { PlugZap, Trash2 } from "lucide-react";
import { useState } from "react";

import { ApiError, errorMessage } from "@/api/error";
import { connectionKeys, connectionQuery, deleteConnection, testConnection } from "@/api/queries/connections";
import type { ConnectionTest, DataConnection } from "@/api/types";
import { NotFound } from "@/components/route-states";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Facts } from "@/components/ui/facts";
import { LoadError } from "@/components/ui/notice";
import { Page, Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { deleteWithUndo } from "@/components/undo";
import { count } from "@/lib/number";

import { AudienceRule } from "./AudienceRule";
import { TestOutcome } from "./connection-form";
import { EditConnection } from "./EditConnection";
import { Freshness } from "./Freshness";
import { Grants } from "./Grants";
import { SchemaBrowser } from "./SchemaBrowser";
import { Sensitive } from "./Sensitive";
import { TestMark } from "./TestMark";
import { ACCESS_WORDS, placeInWords, TYPE_WORDS } from "./words";

const route = getRouteApi("/app/data/$connectionId");

/** A connection: whether it works, what is in it, who may use it. */
export function ConnectionPage() {
  const { connectionId } = route.useParams();
  const { data: connection, error, refetch } = useQuery(connectionQuery(connectionId));
  if (connection) return <OneConnection connection={connection} />;
  if (error instanceof ApiError && error.status === 404) return <NotFound what="This connection" />;
  return (
    <Page title="Data" heading={error ? "Data" : <Skeleton className="h-7 w-60" />}>
      {error ? (
        <LoadError error={error} what="The connection" onRetry={() => void refetch()} />
      ) : (
        <Skeleton className="h-64 w-full" />
      )}
    </Page>
  );
}

function OneConnection({ connection }: { connection: DataConnection }) {
  const navigate = route.useNavigate();
  const queryClient = useQueryClient();
  const { outcome, isTesting, test } = useConnectionTest(connection.id);
  const mayManage = connection.access === "manage";

  const remove = () => {
    deleteWithUndo({
      id: connection.id,
      name: connection.name,
      remove: () => deleteConnection(connection.id),
      settled: () => void queryClient.invalidateQueries({ queryKey: connectionKeys.all }),
    });
    void navigate({ to: "/data" });
  };

  return (
    <Page
      title={connection.name}
      lead={connection.description}
      actions={
        <>
          <Button busy={isTesting} onClick={() => void test()}>
            <PlugZap aria-hidden />
            {isTesting ? "Testing…" : "Test"}
          </Button>
          {mayManage ? (
            <>
              <EditConnection connection={connection} />
              <Button look="danger" onClick={remove}>
                <Trash2 aria-hidden />
                Delete
              </Button>
            </>
          ) : null}
        </>
      }
    >
      <div aria-live="polite" className="mb-6 empty:hidden">
        {outcome === undefined ? null : <TestOutcome outcome={outcome} />}
      </div>
      <div className="grid gap-x-14 gap-y-8 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <SchemaBrowser connectionId={connection.id} />
        <div className="min-w-0 space-y-8">
          <Section title="Settings">
            <Facts
              facts={[
                ["Kind", TYPE_WORDS[connection.type] ?? connection.type],
                ["Place", placeInWords(connection) || "Not shown to you"],
                ["State", <TestMark key="test" test={connection.lastTest} />],
                ["Queries at once", count(connection.limits.concurrentQueries)],
                ["You may", ACCESS_WORDS[connection.access]],
                ["Created", <Time key="created" at={connection.createdAt} />],
              ]}
            />
          </Section>
          <Freshness connection={connection} />
          <Sensitive connection={connection} mayManage={mayManage} />
          {mayManage ? <Grants connectionId={connection.id} /> : null}
          {mayManage ? <AudienceRule connectionId={connection.id} /> : null}
        </div>
      </div>
    </Page>
  );
}

function useConnectionTest(id: string) {
  const queryClient = useQueryClient();
  const [outcome, setOutcome] = useState<ConnectionTest | string>();
  const [isTesting, setTesting] = useState(false);
  const test = async () => {
    setTesting(true);
    setOutcome(undefined);
    try {
      setOutcome(await testConnection(id));
      await queryClient.invalidateQueries({ queryKey: connectionKeys.all });
    } catch (error) {
      setOutcome(errorMessage(error));
    } finally {
      setTesting(false);
    }
  };
  return { outcome, isTesting, test };
}
