/** The stand-in for Slack that the binary talks to, and orders for it. */

import { inject } from "vitest";

/** Gives it an order; answers what it says. */
export async function order<T>(what: Record<string, unknown>): Promise<T> {
  const reply = await fetch(inject("slackControlUrl"), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(what),
  });
  if (!reply.ok) throw new Error(`${String(what.do)}: ${reply.status} ${await reply.text()}`);
  return (await reply.json()) as T;
}
