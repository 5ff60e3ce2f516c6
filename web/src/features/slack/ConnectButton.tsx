import { useState } from "react";

import { beginToConnectSlack } from "@/api/queries/slack";
import { Button } from "@/components/ui/button";
import { sayError } from "@/components/ui/toast";

/** Sends the browser to Slack's consent page. */
export function ConnectButton({ again = false }: { again?: boolean }) {
  const [isLeaving, setLeaving] = useState(false);
  const connect = async () => {
    setLeaving(true);
    try {
      window.location.assign(await beginToConnectSlack());
    } catch (failure) {
      setLeaving(false);
      sayError("Slack’s page cannot be opened", failure);
    }
  };
  return (
    <Button look={again ? "secondary" : "primary"} busy={isLeaving} onClick={() => void connect()}>
      {again ? "Connect again" : "Connect Slack"}
    </Button>
  );
}
