import type { AudienceRecord } from "@/api/types";
import { AUDIENCE_WORDS } from "@/lib/audience";
import { counted } from "@/lib/number";

type Connection = AudienceRecord["connections"][number];

const STANDINGS: Record<NonNullable<AudienceRecord["standing"]>, string> = {
  creator: "The task’s creator",
  member: "A member",
  colleague: "A colleague in Slack",
  guest: "A guest",
  outsider: "Outside of the workspace",
  gone: "No member any more",
};

const ACCESSES: Record<NonNullable<Connection["access"]>, string> = {
  view_results: "May view results",
  query: "May query",
  manage: "May manage",
};

/** What a decision rested on: who the recipient was, their rights on each connection, the policies. */
export function Rights({ record }: { record: AudienceRecord }) {
  const { standing, channel, connections, policy } = record;
  return (
    <div className="mt-4">
      <p className="text-ink-2">
        {standing ? `${STANDINGS[standing]}. ` : ""}
        {channel ? `${channelInWords(channel)} ` : ""}
        The workspace’s policy: members without rights {AUDIENCE_WORDS[policy.members].toLowerCase()}, guests and people
        outside {AUDIENCE_WORDS[policy.outsiders].toLowerCase()}.
      </p>
      {connections.length > 0 ? (
        <ul aria-label="Connections used" className="mt-2 border-t">
          {connections.map((connection) => (
            <li key={connection.id} className="grid gap-x-4 border-b py-2 sm:grid-cols-[12rem_1fr]">
              <span className="min-w-0 break-words">{connection.name}</span>
              <span className="min-w-0 text-ink-2">
                {rightsInWords(connection)}
                {rulesInWords(connection).map((rule) => (
                  <span key={rule} className="block text-sm text-ink-3">
                    {rule}
                  </span>
                ))}
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <p className="mt-2 text-ink-2">No connection’s data is in it.</p>
      )}
    </div>
  );
}

function channelInWords(channel: NonNullable<AudienceRecord["channel"]>): string {
  if (!channel.isKnown) return "Who is in the channel could not be read.";
  const parts = [counted(channel.members, "member")];
  if (channel.colleagues > 0) parts.push(counted(channel.colleagues, "colleague"));
  if (channel.guests > 0) parts.push(counted(channel.guests, "guest"));
  if (channel.outsiders > 0) parts.push(counted(channel.outsiders, "person from outside", "people from outside"));
  const shared = channel.isSharedOutside ? "; shared with another organisation" : "";
  return `In the channel: ${parts.join(", ")}${shared}.`;
}

function rightsInWords({ access, viewers }: Connection): string {
  if (viewers !== null) return `${counted(viewers, "person", "people")} in the channel may view its results`;
  return access ? ACCESSES[access] : "No right";
}

function rulesInWords({ rule }: Connection): string[] {
  const rules: string[] = [];
  if (rule.members) rules.push(`Members without rights: at most ${AUDIENCE_WORDS[rule.members].toLowerCase()}`);
  if (rule.outsiders) rules.push(`Guests and people outside: at most ${AUDIENCE_WORDS[rule.outsiders].toLowerCase()}`);
  if (rule.isSensitive) rules.push("Sensitive: never into Slack");
  if (!rule.sharesCredentials) rules.push("Its credentials are not shared: only the creator opens the thread");
  return rules;
}
