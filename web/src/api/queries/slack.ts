import { queryOptions } from "@tanstack/react-query";

import { client, unwrap } from "@/api/client";
import type { SlackAccount } from "@/api/types";

export const slackQuery = queryOptions({
  queryKey: ["slack"],
  queryFn: () => unwrap(client.GET("/api/v1/slack")),
  // The channels of a new team are listed a moment after it is connected; where Slack refuses to list them, much later.
  refetchInterval: ({ state: { data, dataUpdateCount } }) => {
    if (!data?.connected || data.team?.channelsListedAt !== null) return false;
    return dataUpdateCount < 30 ? 2_000 : 60_000;
  },
});

export const slackAccountQuery = queryOptions({
  queryKey: ["slack-account"],
  queryFn: () => unwrap(client.GET("/api/v1/me/slack")),
});

/** Channels by name, link or id; asked for anew when they were listed again. */
export function slackChannelsQuery(q: string, listedAt: string | null = null) {
  return queryOptions({
    queryKey: ["slack-channels", q, listedAt],
    queryFn: () => unwrap(client.GET("/api/v1/slack/channels", { params: { query: { q } } })),
  });
}

/** Slack's consent page, for an admin who connects the workspace. */
export async function beginToConnectSlack(): Promise<string> {
  return (await unwrap(client.POST("/api/v1/slack/install"))).authorizeUrl;
}

/** Slack's sign-in page, for a member who says who they are there. */
export async function beginToSignInWithSlack(): Promise<string> {
  return (await unwrap(client.POST("/api/v1/me/slack/sign-in"))).authorizeUrl;
}

/** Answers whether Slack confirmed that the app's access is revoked. */
export async function disconnectSlack(): Promise<boolean> {
  return (await unwrap(client.DELETE("/api/v1/slack"))).revoked;
}

export async function listSlackChannelsAgain(): Promise<void> {
  await unwrap(client.POST("/api/v1/slack/channels/refresh"));
}

export function linkSlackByEmail(): Promise<SlackAccount> {
  return unwrap(client.POST("/api/v1/me/slack/link-by-email"));
}

export function unlinkSlack(): Promise<SlackAccount> {
  return unwrap(client.DELETE("/api/v1/me/slack"));
}
