import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { meQuery } from "@/api/queries/session";
import { disconnectSlack, slackAccountQuery, slackQuery } from "@/api/queries/slack";
import type { SlackTeam as Team } from "@/api/types";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Facts } from "@/components/ui/facts";
import { Notice } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { say, sayError } from "@/components/ui/toast";
import { count } from "@/lib/number";

import { ConnectButton } from "./ConnectButton";

/** The connected team. */
export function SlackTeam({ team, isAdmin }: { team: Team; isAdmin: boolean }) {
  const [isAsking, setAsking] = useState(false);
  return (
    <Section
      title="Connected team"
      actions={
        isAdmin ? (
          <Button look="quiet" onClick={() => setAsking(true)}>
            Disconnect
          </Button>
        ) : null
      }
    >
      <Facts
        facts={[
          ["Team", team.name],
          ["Connected", <Time key="at" at={team.connectedAt} />],
          ["Channels", `${count(team.channels)} known; the app is in ${count(team.channelsJoined)}`],
        ]}
      />
      {team.missingScopes.length > 0 ? (
        <div className="mt-4">
          <Notice tone="warn" action={isAdmin ? <ConnectButton again /> : null}>
            <p className="font-medium">The app lacks permissions in Slack</p>
            <p>
              Connect it again to grant {team.missingScopes.join(", ")}. Until then some messages fail, or replies are
              not heard.
            </p>
          </Notice>
        </div>
      ) : null}
      {isAsking ? <Disconnect team={team} onClose={() => setAsking(false)} /> : null}
    </Section>
  );
}

function Disconnect({ team, onClose }: { team: Team; onClose: () => void }) {
  const queryClient = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const disconnect = async () => {
    setBusy(true);
    try {
      const isRevoked = await disconnectSlack();
      say(isRevoked ? "Slack is disconnected." : "Slack is disconnected here. Remove the app in Slack as well.");
      onClose();
      for (const { queryKey } of [slackQuery, slackAccountQuery, meQuery]) {
        void queryClient.invalidateQueries({ queryKey });
      }
    } catch (failure) {
      setBusy(false);
      sayError("Slack is still connected", failure);
    }
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Disconnect ${team.name}?`}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="danger" busy={isBusy} onClick={() => void disconnect()}>
            Disconnect
          </Button>
        </>
      }
    >
      <p className="text-ink-2">
        Messages for channels and direct messages will fail, and replies in Slack will not be heard, until a team is
        connected again. No task is changed, and people stay linked.
      </p>
    </Dialog>
  );
}
