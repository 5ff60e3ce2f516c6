import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { listSlackChannelsAgain, slackChannelsQuery } from "@/api/queries/slack";
import type { SlackChannel } from "@/api/types";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { SearchField } from "@/components/ui/search-field";
import { SkeletonRows } from "@/components/ui/skeleton";
import { say, sayError } from "@/components/ui/toast";
import { count } from "@/lib/number";

/** The channels that tasks can write to. `known` is how many there are, of which the first are listed. */
export function SlackChannels({ listedAt, known }: { listedAt: string | null; known: number }) {
  const [q, setQ] = useState("");
  const { data, error, refetch } = useQuery({ ...slackChannelsQuery(q, listedAt), placeholderData: keepPreviousData });
  const listAgain = async () => {
    try {
      await listSlackChannelsAgain();
      say("The channels are being listed again. That takes up to a minute or so.");
    } catch (failure) {
      sayError("The channels are not listed again", failure);
    }
  };
  return (
    <Section
      title="Channels"
      actions={
        <Button look="quiet" onClick={() => void listAgain()}>
          List again
        </Button>
      }
    >
      <p className="pt-3 pb-4 text-ink-2">
        To let tasks post in a channel, invite the app there with <code>/invite @Tidings</code>. Private channels show
        up once the app is in them.{" "}
        {listedAt ? (
          <>
            Last listed <Time at={listedAt} look="relative" />.
          </>
        ) : (
          "They are being listed for the first time."
        )}
      </p>
      <SearchField label="Search, or paste a link" value={q} onSearch={setQ} />
      {error ? (
        <div className="mt-4">
          <LoadError error={error} what="The channels" onRetry={() => void refetch()} />
        </div>
      ) : null}
      {!data && !error ? <SkeletonRows rows={3} label="Loading channels" /> : null}
      {data?.values.length === 0 ? (
        <p className="py-4 text-ink-2">{q ? "No channel is known by that name or link." : "None is known yet."}</p>
      ) : null}
      <ul className="mt-4 border-t empty:hidden">
        {data?.values.map((channel) => (
          <ChannelLine key={channel.id} channel={channel} />
        ))}
      </ul>
      {data && !q && data.values.length < known ? (
        <p className="py-3 text-sm text-ink-3">
          The first {data.values.length} of {count(known)}. Search to find the others.
        </p>
      ) : null}
    </Section>
  );
}

function ChannelLine({ channel }: { channel: SlackChannel }) {
  const traits = [
    channel.isPrivate ? "private" : null,
    channel.isExtShared ? "shared with another organisation" : null,
    channel.isArchived ? "archived" : null,
  ].filter((trait) => trait !== null);
  return (
    <li className="flex flex-wrap items-baseline justify-between gap-x-4 border-b py-2">
      <span className="min-w-0 font-medium break-words">#{channel.name}</span>
      <span className="text-sm text-ink-3">
        {[...traits, channel.isMember ? "the app is in it" : "the app is not in it"].join(" · ")}
      </span>
    </li>
  );
}
