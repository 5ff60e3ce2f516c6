import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { modelQuery, removeModel } from "@/api/queries/model";
import { meQuery } from "@/api/queries/session";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { say, sayError } from "@/components/ui/toast";

import { modelInWords } from "./words";

/** Goes back to the server's model, after asking. */
export function RemoveOwnModel({ server }: { server: { model: string } }) {
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <Button look="quiet" onClick={() => setAsking(true)}>
        Use the server's
      </Button>
      {isAsking ? <Confirm model={server.model} onClose={() => setAsking(false)} /> : null}
    </>
  );
}

function Confirm({ model, onClose }: { model: string; onClose: () => void }) {
  const queryClient = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const remove = async () => {
    setBusy(true);
    try {
      await removeModel();
      say("The server's model answers again.");
      onClose();
      for (const { queryKey } of [modelQuery, meQuery]) void queryClient.invalidateQueries({ queryKey });
    } catch (failure) {
      setBusy(false);
      sayError("The workspace's own model still answers", failure);
    }
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title="Use the server's model again?"
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="danger" busy={isBusy} onClick={() => void remove()}>
            Use the server's
          </Button>
        </>
      }
    >
      <p>
        Questions are answered by {modelInWords(model)} from now on, for credits. The key that is kept here is wiped.
      </p>
    </Dialog>
  );
}
