import { useQuery } from "@tanstack/react-query";
import { ChevronRight } from "lucide-react";
import { useState, type ReactNode } from "react";

import { taskAudienceQuery } from "@/api/queries/audience";
import type { ChannelAudience, GroupAudience, Notification, PersonAudience } from "@/api/types";
import { LoadError } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";
import {
  AUDIENCE_TONE,
  AUDIENCE_WORDS,
  FALLBACK_WORDS,
  tallyInWords,
  WAY_WORDS,
  type AudienceWord,
} from "@/lib/audience";
import { counted } from "@/lib/number";
import { joinWords } from "@/lib/schedule";

interface AudienceProps {
  /** The connections that the question mentions. */
  connectionIds: string[];
  notification: Notification;
}

/** Who will see what, and why: as it would be decided now. It is decided again each time something is sent. */
export function Audience({ connectionIds, notification }: AudienceProps) {
  const { slackChannels, userIds, groupIds } = notification;
  const isNobody = slackChannels.length + userIds.length + groupIds.length === 0;
  const { data, error, refetch } = useQuery({
    ...taskAudienceQuery(connectionIds, { slackChannels, userIds, groupIds, attachCsv: false }),
    enabled: !isNobody,
  });
  if (isNobody) {
    return (
      <p className="text-ink-2">
        Nobody is told. The task runs all the same, and its answers wait for you under Threads.
      </p>
    );
  }
  if (error) return <LoadError error={error} what="Who will see what" onRetry={() => void refetch()} />;
  if (!data) return <Skeleton className="h-5 w-72" />;
  return (
    <>
      <ul className="border-t">
        {data.slackChannels.map((channel) => (
          <ChannelRow key={channel.id} channel={channel} />
        ))}
        {data.groups.map((group) => (
          <GroupRow key={group.id} group={group} />
        ))}
        {data.people.map((person) => (
          <PersonRow key={person.id} person={person} />
        ))}
      </ul>
      <p className="mt-2 text-sm text-ink-3">
        {data.usesAll
          ? `Nothing is mentioned, so this counts ${data.connections.length === 1 ? "the one connection" : `all ${counted(data.connections.length, "connection")}`} that you may query.`
          : `Counted for ${joinWords(data.connections.map(({ name }) => name))}.`}{" "}
        Rights are looked at again each time something is sent.
      </p>
    </>
  );
}

function Row({ name, detail, children }: { name: ReactNode; detail?: string; children: ReactNode }) {
  return (
    <li className="grid gap-x-4 gap-y-0.5 border-b py-2 sm:grid-cols-[12rem_1fr]">
      <span className="min-w-0 break-words">
        {name}
        {detail ? <span className="block text-sm text-ink-3">{detail}</span> : null}
      </span>
      <div className="min-w-0">{children}</div>
    </li>
  );
}

function Outcome({ audience, way, reason }: { audience: AudienceWord; way?: string; reason: string }) {
  return (
    <p>
      <span className={AUDIENCE_TONE[audience]}>{AUDIENCE_WORDS[audience]}</span>
      {way ? <span className="text-ink-2">, {way}</span> : null}
      <span className="block text-sm text-ink-3">{reason}</span>
    </p>
  );
}

function PersonRow({ person }: { person: PersonAudience }) {
  const [first, ...others] = person.ways;
  // Why it is not in Slack, where that is preferred.
  const why = person.fallback ? `, ${FALLBACK_WORDS[person.fallback] ?? person.fallback}` : "";
  const wayInWords = (channel: string) => `${WAY_WORDS[channel] ?? channel}${why}`;
  // What both ways have in common is said once.
  const isSame = others.every(({ audience, reason }) => audience === first?.audience && reason === first.reason);
  return (
    <Row name={person.name}>
      {person.untold ? <p className="text-ink-2">{person.untold}</p> : null}
      {first && isSame ? (
        <Outcome {...first} way={joinWords(person.ways.map(({ channel }) => wayInWords(channel)))} />
      ) : (
        person.ways.map(({ channel, ...way }) => <Outcome key={channel} {...way} way={wayInWords(channel)} />)
      )}
    </Row>
  );
}

function GroupRow({ group }: { group: GroupAudience }) {
  const [isOpen, setOpen] = useState(false);
  const told = group.members.filter(({ ways }) => ways.length > 0);
  const untold = group.members.length - told.length;
  const tally = tallyInWords(told.map(leastOf));
  return (
    <>
      <Row name={group.name} detail={`${counted(group.members.length, "member")} now`}>
        <p>{group.members.length === 0 ? "Nobody is in this group." : tally || "Nobody is told."}</p>
        {untold > 0 && tally ? <p className="text-sm text-ink-3">{counted(untold, "member")} not told</p> : null}
        {group.members.length > 0 ? (
          <button
            type="button"
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
            className="-ml-1 inline-flex items-center gap-1 rounded-sm px-1 text-sm text-ink-2 hover:text-ink pointer-coarse:min-h-11"
          >
            <ChevronRight aria-hidden className={`size-3.5 transition-transform ${isOpen ? "rotate-90" : ""}`} />
            Each member of {group.name}
          </button>
        ) : null}
      </Row>
      {isOpen ? (
        <li className="border-b pl-4">
          <ul className="[&>li:last-child]:border-b-0">
            {group.members.map((person) => (
              <PersonRow key={person.id} person={person} />
            ))}
          </ul>
        </li>
      ) : null}
    </>
  );
}

function ChannelRow({ channel }: { channel: ChannelAudience }) {
  const { people } = channel;
  const count = people?.isKnown
    ? counted(people.members + people.colleagues + people.guests + people.outsiders, "person", "people")
    : "Slack channel";
  return (
    <Row name={`#${channel.name.replace(/^#/, "")}`} detail={people?.isKnown ? `${count} now` : count}>
      <Outcome audience={channel.audience} reason={channel.reason} />
    </Row>
  );
}

/** The least that any way shows somebody. */
function leastOf({ ways }: PersonAudience): AudienceWord {
  const shown = ways.map(({ audience }) => audience);
  return shown.includes("withheld") ? "withheld" : shown.includes("link_only") ? "link_only" : "full";
}
