import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";

import { meQuery } from "@/api/queries/session";
import { slackQuery } from "@/api/queries/slack";
import type { SlackStatus } from "@/api/types";
import { Time } from "@/components/time";
import { Empty } from "@/components/ui/empty";
import { LoadError, Notice } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";
import { SkeletonRows } from "@/components/ui/skeleton";
import { slackProblem } from "@/lib/slack";

import { ConnectButton } from "./ConnectButton";
import { SlackChannels } from "./SlackChannels";
import { SlackTeam } from "./SlackTeam";

const route = getRouteApi("/app/admin/slack");

/** Connecting the workspace with a Slack team, and how that stands. For admins. */
export function SlackPage() {
  const { data: me } = useQuery(meQuery);
  const { data: status, error, refetch } = useQuery(slackQuery);
  const { slack: outcome } = route.useSearch();
  const problem = outcome ? slackProblem(outcome) : null;
  const isAdmin = me?.role === "admin";
  return (
    <Page
      title="Slack"
      width="read"
      lead="Answers go into channels and direct messages, and people can ask and reply there."
    >
      <div className="space-y-8">
        {problem ? <Notice tone="warn">{problem}</Notice> : null}
        {error ? <LoadError error={error} what="Slack" onRetry={() => void refetch()} /> : null}
        {!status && !error ? <SkeletonRows label="Loading Slack" /> : null}
        {status && !status.connected ? <NotConnected status={status} isAdmin={isAdmin} /> : null}
        {status?.connected && status.team ? (
          <>
            <SlackTeam team={status.team} isAdmin={isAdmin} />
            {isAdmin ? <SlackChannels listedAt={status.team.channelsListedAt} known={status.team.channels} /> : null}
          </>
        ) : null}
      </div>
    </Page>
  );
}

function NotConnected({ status, isAdmin }: { status: SlackStatus; isAdmin: boolean }) {
  const ended = status.team;
  return (
    <>
      {ended?.endedAt ? (
        <Notice tone="warn">
          {ended.name} was connected until <Time at={ended.endedAt} look="inline" />.{" "}
          {REASONS[ended.endReason ?? "replaced"]}
        </Notice>
      ) : null}
      {status.available ? (
        <Empty title="Slack is not connected" action={isAdmin ? <ConnectButton /> : null}>
          <p>
            Slack asks you to choose a team and shows what Tidings may do there: post messages and files, see which
            channels there are, and read what is said to it. It reads only conversations that it was invited to.
          </p>
          <p>
            A workspace is connected with one team, and a team with one workspace.
            {isAdmin ? null : " Only an admin can connect it."}
          </p>
        </Empty>
      ) : (
        <Empty title="No Slack app is set up on this server">
          <p>
            Whoever runs the server makes an app in Slack once, from a manifest, and gives Tidings its keys. The page on
            operating says how, under “Slack”.
          </p>
        </Empty>
      )}
    </>
  );
}

const REASONS = {
  uninstalled: "The app was removed in Slack.",
  tokens_revoked: "Its access was revoked in Slack.",
  disconnected: "An admin disconnected it here.",
  token_refused: "Slack no longer accepted its access.",
  replaced: "",
} as const;
