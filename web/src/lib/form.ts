/** Placing what the API found wrong at the fields of a form. */

import type { Issue } from "@/api/error";

/** A dotted path of the API in the notation of the form: `notification.userIds[2]` is `notification.userIds.2`. */
export function fieldPath(path: string): string {
  return path.replaceAll(/\[(\d+)\]/g, ".$1");
}

/**
 * Splits issues into those that belong to a field and those that have none. A field takes the issues of its path and of
 * everything below it.
 */
export function placeIssues(
  issues: Issue[],
  fields: readonly string[],
): { placed: Map<string, string>; rest: Issue[] } {
  const placed = new Map<string, string>();
  const rest: Issue[] = [];
  for (const issue of issues) {
    const path = fieldPath(issue.path);
    const owner = fields
      .filter((field) => path === field || path.startsWith(`${field}.`))
      .sort((a, b) => b.length - a.length)[0];
    if (owner === undefined) {
      rest.push(issue);
    } else {
      const sentence = asSentence(issue.message);
      const earlier = placed.get(owner);
      placed.set(owner, earlier ? `${earlier} ${sentence}` : sentence);
    }
  }
  return { placed, rest };
}

/** `must be in the future` as `Must be in the future.`; what it quotes as code stands in the quotation marks of prose. */
export function asSentence(message: string): string {
  const trimmed = message.trim().replace(/`([^`]*)`/g, "“$1”");
  if (!trimmed) return trimmed;
  const start = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?”]$/.test(start) ? start : `${start}.`;
}
