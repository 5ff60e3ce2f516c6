import { queryOptions } from "@tanstack/react-query";

import { client, everyPage, unwrap } from "@/api/client";
import type { MailSettings, NotificationPreferences, Token, WorkspaceSettings } from "@/api/types";

export const preferencesQuery = queryOptions({
  queryKey: ["notification-preferences"],
  queryFn: () => unwrap(client.GET("/api/v1/me/notification-preferences")),
});

/** Without the tasks that one muted: a mail's link, or another page, may have added one since they were read. */
export function replacePreferences({ email, slackDm }: NotificationPreferences): Promise<NotificationPreferences> {
  return unwrap(client.PUT("/api/v1/me/notification-preferences", { body: { email, slackDm }, keepalive: true }));
}

/** Tasks whose messages one does not want. */
export const quietTasksQuery = queryOptions({
  queryKey: ["quiet-tasks"],
  queryFn: () => unwrap(client.GET("/api/v1/me/quiet-tasks")),
});

export async function quietTask(id: string, isQuiet: boolean): Promise<void> {
  const params = { path: { id } };
  if (isQuiet) await unwrap(client.PUT("/api/v1/me/quiet-tasks/{id}", { params, keepalive: true }));
  else await unwrap(client.DELETE("/api/v1/me/quiet-tasks/{id}", { params, keepalive: true }));
}

export const mailSettingsQuery = queryOptions({
  queryKey: ["mail-settings"],
  queryFn: () => unwrap(client.GET("/api/v1/mail-settings")),
});

export function replaceMailSettings(settings: MailSettings): Promise<MailSettings> {
  return unwrap(client.PUT("/api/v1/mail-settings", { body: settings }));
}

/** How the workspace's tasks run. */
export const workspaceSettingsQuery = queryOptions({
  queryKey: ["workspace-settings"],
  queryFn: () => unwrap(client.GET("/api/v1/workspace/settings")),
});

export function replaceWorkspaceSettings(settings: WorkspaceSettings): Promise<WorkspaceSettings> {
  return unwrap(client.PUT("/api/v1/workspace/settings", { body: settings }));
}

export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: () =>
    everyPage((after) => unwrap(client.GET("/api/v1/tokens", { params: { query: { limit: 100, after } } }))),
});

/** The token itself is in this answer and never again. */
export function createToken(body: { name: string; expiresAt: string }): Promise<Token & { token: string }> {
  return unwrap(client.POST("/api/v1/tokens", { body }));
}

export async function deleteToken(id: string): Promise<void> {
  await unwrap(client.DELETE("/api/v1/tokens/{id}", { params: { path: { id } }, keepalive: true }));
}
