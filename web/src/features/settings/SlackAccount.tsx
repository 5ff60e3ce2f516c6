import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";

import { meQuery } from "@/api/queries/session";
import { beginToSignInWithSlack, linkSlackByEmail, slackAccountQuery, unlinkSlack } from "@/api/queries/slack";
import type { SlackAccount as Account } from "@/api/types";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { LoadError, Notice } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { say, sayError } from "@/components/ui/toast";
import { slackProblem } from "@/lib/slack";

const route = getRouteApi("/app/settings");

/** Who one is in Slack: needed for direct messages, and to ask there. */
export function SlackAccount() {
  const { data: me } = useQuery(meQuery);
  const { data: account, error, refetch } = useQuery(slackAccountQuery);
  const { slack: outcome } = route.useSearch();
  const problem = outcome ? slackProblem(outcome) : null;
  return (
    <Section title="Connected accounts">
      <div className="space-y-4 pt-4">
        {problem ? <Notice tone="warn">{problem}</Notice> : null}
        {error ? <LoadError error={error} what="Your Slack account" onRetry={() => void refetch()} /> : null}
        {!account && !error ? <Skeleton className="h-12 w-64" /> : null}
        {account?.connected ? <Linking account={account} email={me?.email ?? ""} /> : null}
        {account && !account.connected ? (
          <p className="text-ink-2">
            Slack is not connected to this workspace.{" "}
            {me?.role === "admin" ? (
              <Link to="/admin/slack" className="link">
                Connect it
              </Link>
            ) : null}
          </p>
        ) : null}
      </div>
    </Section>
  );
}

function Linking({ account, email }: { account: Account; email: string }) {
  const queryClient = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const act = async (action: () => Promise<Account>, done: string, problem: string) => {
    setBusy(true);
    try {
      queryClient.setQueryData(slackAccountQuery.queryKey, await action());
      say(done);
    } catch (failure) {
      sayError(problem, failure);
    } finally {
      setBusy(false);
    }
  };
  const signIn = async () => {
    setBusy(true);
    try {
      window.location.assign(await beginToSignInWithSlack());
    } catch (failure) {
      setBusy(false);
      sayError("Slack’s page cannot be opened", failure);
    }
  };

  if (account.slackUserId !== null) {
    return (
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <p>
          Slack, team {account.teamName}
          <span className="block text-sm text-ink-3">
            {account.linkedBy === "email" ? `Linked by your address ${email}` : "You signed in with Slack"}
            {account.linkedAt ? (
              <>
                , <Time at={account.linkedAt} look="inline" />
              </>
            ) : null}
          </span>
        </p>
        <Button
          busy={isBusy}
          onClick={() => void act(unlinkSlack, "Your Slack account is unlinked.", "Your Slack account is still linked")}
        >
          Unlink
        </Button>
      </div>
    );
  }
  return (
    <div>
      <p className="max-w-[60ch] text-ink-2">
        Say who you are in the Slack team {account.teamName}, to get direct messages, and to ask and reply there.
      </p>
      <div className="mt-3 flex flex-wrap gap-2">
        <Button look="primary" busy={isBusy} onClick={() => void signIn()}>
          Sign in with Slack
        </Button>
        <Button
          busy={isBusy}
          onClick={() =>
            void act(linkSlackByEmail, "Your Slack account is linked.", "Your Slack account is not linked")
          }
        >
          Find me by my address
        </Button>
      </div>
    </div>
  );
}
