import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";

import { creditsQuery, creditSummaryQuery } from "@/api/queries/credits";
import { meQuery } from "@/api/queries/session";
import { Button } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";
import { Page, Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";

import { Balance } from "./Balance";
import { GrantDialog } from "./GrantDialog";
import { Spending } from "./Spending";

const route = getRouteApi("/app/credits");

const SPANS = [
  [7, "7 days"],
  [31, "31 days"],
  [90, "90 days"],
  [366, "A year"],
] as const;

/** What the workspace has left, and where it went. Admins see all of it and grant more; others see what they used. */
export function CreditsPage() {
  const { data: me } = useQuery(meQuery);
  const { data: balance, error, refetch } = useQuery(creditsQuery);
  const [isGranting, setGranting] = useState(false);
  const isAdmin = me?.role === "admin";
  return (
    <Page
      title="Credits"
      width="read"
      lead="What the replies of language models cost. Queries, charts and messages cost nothing."
      actions={
        isAdmin && balance ? (
          <Button look="primary" onClick={() => setGranting(true)}>
            <Plus aria-hidden />
            Grant credits
          </Button>
        ) : null
      }
    >
      <div className="space-y-10">
        {error && !balance ? <LoadError error={error} what="The balance" onRetry={() => void refetch()} /> : null}
        {balance ? <Balance balance={balance} isAdmin={isAdmin} /> : null}
        {!balance && !error ? <Skeleton className="h-24 w-full" /> : null}
        <Used isAdmin={isAdmin} />
      </div>
      {isGranting && balance ? <GrantDialog balance={balance} onClose={() => setGranting(false)} /> : null}
    </Page>
  );
}

function Used({ isAdmin }: { isAdmin: boolean }) {
  const { days = 31 } = route.useSearch();
  const navigate = route.useNavigate();
  const { data, error, refetch, isPlaceholderData } = useQuery(creditSummaryQuery(days));
  return (
    <Section
      title={isAdmin ? "Used by the workspace" : "Used by you"}
      actions={
        <select
          aria-label="Over how long"
          value={days}
          onChange={(event) =>
            void navigate({
              search: { days: SPANS.find(([span]) => String(span) === event.target.value)?.[0] },
              replace: true,
              resetScroll: false,
            })
          }
          className="control mb-1 h-8! min-h-0! w-28! py-0! pointer-coarse:h-11!"
        >
          {SPANS.map(([span, words]) => (
            <option key={span} value={span}>
              {words}
            </option>
          ))}
        </select>
      }
    >
      {error && !data ? <LoadError error={error} what="What was used" onRetry={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton className="mt-4 h-40 w-full" /> : null}
      {data ? (
        <div aria-busy={isPlaceholderData} className={isPlaceholderData ? "opacity-60" : ""}>
          <Spending summary={data} namesPeople={isAdmin} />
        </div>
      ) : null}
    </Section>
  );
}
