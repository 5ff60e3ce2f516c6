import { Autocomplete } from "@base-ui/react/autocomplete";
import { Dialog } from "@base-ui/react/dialog";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { useMemo } from "react";

import { connectionsQuery } from "@/api/queries/connections";
import { meQuery } from "@/api/queries/session";
import { tasksQuery } from "@/api/queries/tasks";
import { threadsQuery } from "@/api/queries/threads";

interface Command {
  value: string;
  label: string;
  href: string;
}

interface Group {
  value: string;
  items: Command[];
}

/** Everything one can go to or start, by typing a few letters of it. */
export function CommandPalette({ onClose }: { onClose: () => void }) {
  const router = useRouter();
  const groups = useCommands();
  const go = ({ href }: Command) => {
    onClose();
    void router.navigate({ href });
  };

  return (
    <Dialog.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-scrim" />
        <Dialog.Popup
          aria-label="Search"
          className="popup fixed top-[12vh] left-1/2 z-50 flex max-h-[70vh] w-[min(36rem,calc(100vw-2rem))] -translate-x-1/2 flex-col overflow-hidden"
        >
          <Autocomplete.Root open inline items={groups} autoHighlight="always" keepHighlight>
            <div className="flex h-12 shrink-0 items-center gap-2.5 border-b px-4">
              <Search className="size-4 text-ink-3" aria-hidden />
              <Autocomplete.Input
                aria-label="Search screens, tasks, threads and data"
                placeholder="Go to, open, start…"
                className="h-full flex-1 bg-transparent text-read outline-none placeholder:text-ink-3"
              />
              <kbd className="font-sans text-xs text-ink-3">Esc</kbd>
            </div>
            <Autocomplete.Empty>
              <p className="px-4 py-6 text-ink-2">Nothing by that name.</p>
            </Autocomplete.Empty>
            <Autocomplete.List className="min-h-0 overflow-y-auto overscroll-contain p-1.5 empty:hidden">
              {(group: Group) => (
                <Autocomplete.Group key={group.value} items={group.items} className="mb-1.5">
                  <Autocomplete.GroupLabel className="eyebrow px-2.5 py-1">{group.value}</Autocomplete.GroupLabel>
                  <Autocomplete.Collection>
                    {(command: Command) => (
                      <Autocomplete.Item
                        key={command.value}
                        value={command}
                        onClick={() => go(command)}
                        className="truncate rounded-md px-2.5 py-2 outline-none select-none data-highlighted:bg-pointed"
                      >
                        {command.label}
                      </Autocomplete.Item>
                    )}
                  </Autocomplete.Collection>
                </Autocomplete.Group>
              )}
            </Autocomplete.List>
          </Autocomplete.Root>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function useCommands(): Group[] {
  const { data: me } = useQuery(meQuery);
  const { data: tasks } = useInfiniteQuery(tasksQuery({}));
  const { data: threads } = useInfiniteQuery(threadsQuery());
  const { data: connections } = useQuery(connectionsQuery);
  return useMemo(() => {
    const screens: Command[] = [
      { value: "new-task", label: "New task", href: "/tasks/new" },
      { value: "ask", label: "Ask a question", href: "/threads" },
      { value: "new-connection", label: "Connect data", href: "/data/new" },
      { value: "tasks", label: "Tasks", href: "/tasks" },
      { value: "threads", label: "Threads", href: "/threads" },
      { value: "data", label: "Data", href: "/data" },
      ...(me?.features.outbox ? [{ value: "outbox", label: "Outbox", href: "/outbox" }] : []),
      { value: "notices", label: "Notices", href: "/notices" },
      { value: "credits", label: "Credits", href: "/credits" },
      { value: "settings", label: "Settings", href: "/settings" },
      ...(me?.role === "admin"
        ? [
            { value: "slack", label: "Slack", href: "/admin/slack" },
            { value: "webhooks", label: "Webhooks", href: "/admin/webhooks" },
          ]
        : []),
    ];
    const groups: Group[] = [
      { value: "Go to", items: screens },
      {
        value: "Tasks",
        items: (tasks?.pages ?? []).flatMap(({ values }) =>
          values.map(({ id, title }) => ({ value: id, label: title, href: `/tasks/${id}` })),
        ),
      },
      {
        value: "Threads",
        items: (threads?.pages ?? []).flatMap(({ values }) =>
          values.map(({ threadId, title }) => ({ value: threadId, label: title, href: `/threads/${threadId}` })),
        ),
      },
      {
        value: "Data",
        items: (connections?.values ?? []).map(({ id, name }) => ({ value: id, label: name, href: `/data/${id}` })),
      },
    ];
    return groups.filter(({ items }) => items.length > 0);
  }, [me, tasks, threads, connections]);
}
