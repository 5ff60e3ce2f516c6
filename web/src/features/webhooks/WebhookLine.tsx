import { useQueryClient } from "@tanstack/react-query";
import { ChevronRight, EllipsisVertical, KeyRound, Power, Send, Trash2 } from "lucide-react";
import { useState } from "react";

import { changeWebhook, deleteWebhook, rotateWebhook, testWebhook } from "@/api/queries/webhooks";
import type { Webhook } from "@/api/types";
import { Time } from "@/components/time";
import { iconButtonClass } from "@/components/ui/button";
import { Menu } from "@/components/ui/menu";
import { say, sayError } from "@/components/ui/toast";
import { deleteWithUndo } from "@/components/undo";

import { SecretDialog } from "./SecretDialog";
import { WebhookMessages } from "./WebhookMessages";
import { OFF_WORDS } from "./words";

/** For how long a message is signed with the old secret as well. */
const OVERLAP_HOURS = 24;

/** A webhook: where to, what it is told, how it stands, and its messages to unfold. */
export function WebhookLine({ webhook }: { webhook: Webhook }) {
  const queryClient = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  const [secret, setSecret] = useState<string>();
  const refresh = () => queryClient.invalidateQueries({ queryKey: ["webhooks"] });

  const act = async (what: string, action: () => Promise<void>) => {
    try {
      await action();
    } catch (error) {
      sayError(what, error);
    }
    await refresh();
  };
  const test = () =>
    act("No test was sent", async () => {
      await testWebhook(webhook.id);
      setOpen(true);
      say("A test is on its way.");
    });
  const rotate = () =>
    act("The secret stays as it is", async () => {
      const rotated = await rotateWebhook(webhook.id, OVERLAP_HOURS);
      setSecret(rotated.secret);
    });
  const turn = (on: boolean) =>
    act("Nothing was changed", async () => {
      await changeWebhook(webhook.id, { on });
    });
  const remove = () =>
    deleteWithUndo({
      id: webhook.id,
      name: webhook.description || webhook.url,
      remove: () => deleteWebhook(webhook.id),
      settled: () => void refresh(),
    });

  return (
    <li className="border-b py-3">
      <div className="flex items-start gap-2">
        <div className="min-w-0 flex-1">
          <p className="font-medium break-all">{webhook.url}</p>
          {webhook.description ? <p className="break-words text-ink-2">{webhook.description}</p> : null}
          <p className="text-sm break-words text-ink-3">{webhook.events.join(", ")}</p>
          <Standing webhook={webhook} />
          <button
            type="button"
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
            className="mt-1 -ml-1 inline-flex items-center gap-1 rounded-sm px-1 text-ink-2 hover:text-ink"
          >
            <ChevronRight
              aria-hidden
              className={`size-3.5 shrink-0 transition-transform ${isOpen ? "rotate-90" : ""}`}
            />
            Messages
          </button>
        </div>
        <Menu
          trigger={
            <button type="button" aria-label={`Actions for ${webhook.url}`} className={iconButtonClass()}>
              <EllipsisVertical />
            </button>
          }
          entries={[
            {
              label: "Send a test",
              icon: <Send />,
              onSelect: () => void test(),
              disabledReason: webhook.on ? undefined : "Switch it on first.",
            },
            { label: "Change the secret", icon: <KeyRound />, onSelect: () => void rotate() },
            {
              label: webhook.on ? "Switch off" : "Switch on",
              icon: <Power />,
              onSelect: () => void turn(!webhook.on),
            },
            null,
            { label: "Delete", icon: <Trash2 />, danger: true, onSelect: remove },
          ]}
        />
      </div>
      {isOpen ? <WebhookMessages webhook={webhook} /> : null}
      {secret === undefined ? null : <SecretDialog secret={secret} onClose={() => setSecret(undefined)} />}
    </li>
  );
}

function Standing({ webhook: { offReason, offAt, failingSince, oldSecretEndsAt } }: { webhook: Webhook }) {
  return (
    <>
      {offReason && offAt ? (
        <p className="text-bad">
          {OFF_WORDS[offReason]}, <Time at={offAt} look="relative" />
        </p>
      ) : null}
      {!offReason && failingSince ? (
        <p className="text-warn">
          Answers nothing well since <Time at={failingSince} look="inline" />; switched off after five days of that
        </p>
      ) : null}
      {oldSecretEndsAt ? (
        <p className="text-sm text-ink-3">
          Signed with the old secret as well until <Time at={oldSecretEndsAt} look="inline" />
        </p>
      ) : null}
    </>
  );
}
