import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { destinationsQuery, resumeDestination } from "@/api/queries/destinations";
import type { Destination } from "@/api/types";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Section } from "@/components/ui/page";
import { say, sayError } from "@/components/ui/toast";

const CHANNELS: Record<Destination["channel"], string> = {
  email: "Email",
  slack_channel: "Slack channel",
  slack_dm: "Slack message",
};

/** Places that messages do not reach, and why: of a task, or all that concern the reader. Nothing where all is well. */
export function NotReached({ taskId }: { taskId?: string }) {
  const { data } = useQuery(destinationsQuery(taskId));
  if (!data || data.values.length === 0) return null;
  return (
    <Section title="Not reached">
      <ul>
        {data.values.map((place) => (
          <Place key={place.id} place={place} />
        ))}
      </ul>
    </Section>
  );
}

function Place({ place }: { place: Destination }) {
  const queryClient = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const tryAgain = async () => {
    setBusy(true);
    try {
      await resumeDestination(place.id);
      say(`The next message to ${place.label} is tried.`);
      await queryClient.invalidateQueries({ queryKey: ["destinations"] });
    } catch (error) {
      sayError(`${place.label} stays as it is`, error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <li className="flex flex-wrap items-start justify-between gap-x-4 gap-y-2 border-b py-2.5">
      <div className="min-w-0 flex-1 basis-64">
        <p className="font-medium break-words">{place.label}</p>
        <p className="text-sm text-ink-3">
          {CHANNELS[place.channel]}.{" "}
          {place.pausedAt ? (
            <span className="text-bad">
              Paused <Time at={place.pausedAt} look="relative" />
            </span>
          ) : (
            <span className="text-warn">
              {place.failures === 1 ? "One message lost" : `${String(place.failures)} messages lost in a row`}, the
              first <Time at={place.failingSince} look="relative" />
            </span>
          )}
        </p>
        <p className="mt-1 max-w-[60ch] text-ink-2">
          {place.sentence} {place.advice}
        </p>
      </div>
      {place.pausedAt ? (
        <Button onClick={() => void tryAgain()} busy={isBusy} aria-label={`Try ${place.label} again`}>
          Try again
        </Button>
      ) : null}
    </li>
  );
}
