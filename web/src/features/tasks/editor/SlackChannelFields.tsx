import { Combobox } from "@base-ui/react/combobox";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { X } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { useController, useFormContext } from "react-hook-form";

import { slackChannelsQuery } from "@/api/queries/slack";
import type { Me } from "@/api/types";
import { IconButton } from "@/components/ui/button";
import { Field, FieldError } from "@/components/ui/field";

import type { TaskFormValues } from "./task-form";

interface Found {
  id: string;
  name: string;
  isMember: boolean;
}

/** The Slack channels that are told: found by name, or by a pasted link or id. */
export function SlackChannelFields({ me }: { me: Me }) {
  const { control, formState } = useFormContext<TaskFormValues>();
  const { field } = useController({ control, name: "notification.slackChannels" });
  const channels = field.value;
  const error = formState.errors.notification?.slackChannels;
  const message = error?.message ?? error?.root?.message;
  return (
    <div className="space-y-1.5">
      {me.features.slack ? (
        <Field
          label="Slack channels"
          hint="Type a name, or paste a channel’s link. The app has to be in it."
          error={message}
        >
          <ChannelPicker
            chosen={channels.map(({ id }) => id)}
            onPick={({ id, name }) => field.onChange([...channels, { id, name: `#${name}` }])}
          />
        </Field>
      ) : (
        <>
          <p className="text-sm font-medium">Slack channels</p>
          <NotConnected isAdmin={me.role === "admin"} />
          <FieldError message={message} />
        </>
      )}
      {channels.length > 0 ? (
        <ul aria-label="Chosen Slack channels" className="flex flex-wrap gap-1.5">
          {channels.map(({ id, name }) => (
            <li key={id} className="flex max-w-full items-center rounded-sm bg-sunk pl-2">
              <span className="min-w-0 break-words">{name}</span>
              <IconButton
                label={`Remove ${name}`}
                icon={<X />}
                onClick={() => field.onChange(channels.filter((channel) => channel.id !== id))}
              />
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}

function NotConnected({ isAdmin }: { isAdmin: boolean }) {
  return (
    <p className="text-ink-2">
      Slack is not connected to this workspace.{" "}
      {isAdmin ? (
        <Link to="/admin/slack" className="link">
          Connect it
        </Link>
      ) : (
        "Ask an administrator to connect it."
      )}{" "}
      {isAdmin ? " first; until" : "Until"} then, messages go by email.
    </p>
  );
}

interface ChannelPickerProps {
  chosen: string[];
  onPick: (channel: Found) => void;
  id?: string;
  "aria-invalid"?: boolean;
  "aria-describedby"?: string | undefined;
}

function ChannelPicker({ chosen, onPick, ...control }: ChannelPickerProps) {
  const [typed, setTyped] = useState("");
  const wanted = useDeferredValue(typed.trim());
  const { data, isFetching, error } = useQuery({
    ...slackChannelsQuery(wanted),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    retry: false,
  });
  const found: Found[] = (data?.values ?? []).filter(({ id }) => !chosen.includes(id));
  const empty = error ? "Slack cannot be asked at the moment." : isFetching ? "Looking…" : "No such channel is known.";
  return (
    <Combobox.Root
      items={found}
      value={null}
      inputValue={typed}
      onInputValueChange={setTyped}
      onValueChange={(channel: Found | null) => {
        if (!channel) return;
        onPick(channel);
        setTyped("");
      }}
      itemToStringLabel={(channel: Found | null) => channel?.name ?? ""}
      filter={null}
    >
      <Combobox.Input {...control} placeholder="#channel" autoComplete="off" className="control" />
      <Combobox.Portal>
        <Combobox.Positioner sideOffset={4} className="z-50 outline-none">
          <Combobox.Popup className="popup max-h-[min(20rem,var(--available-height))] w-(--anchor-width) max-w-(--available-width) overflow-y-auto overscroll-contain p-1">
            <Combobox.Empty>
              <p className="px-2 py-1.5 text-ink-2">{empty}</p>
            </Combobox.Empty>
            <Combobox.List className="outline-none">
              {(channel: Found) => (
                <Combobox.Item
                  key={channel.id}
                  value={channel}
                  className="flex cursor-default items-center justify-between gap-3 rounded-md px-2 py-1.5 outline-none select-none data-highlighted:bg-pointed pointer-coarse:py-2.5"
                >
                  <span className="min-w-0 truncate">#{channel.name}</span>
                  {channel.isMember ? null : (
                    <span className="text-sm whitespace-nowrap text-ink-3">the app is not in it</span>
                  )}
                </Combobox.Item>
              )}
            </Combobox.List>
          </Combobox.Popup>
        </Combobox.Positioner>
      </Combobox.Portal>
    </Combobox.Root>
  );
}
