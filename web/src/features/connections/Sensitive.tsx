import { useQueryClient } from "@tanstack/react-query";

import { connectionKeys, connectionQuery, updateConnection } from "@/api/queries/connections";
import type { DataConnection } from "@/api/types";
import { useSavedAtOnce } from "@/components/use-saved-at-once";
import { Section } from "@/components/ui/page";

/** Whether a connection's data stays out of Slack. A change is saved at once. */
export function Sensitive({ connection, mayManage }: { connection: DataConnection; mayManage: boolean }) {
  const queryClient = useQueryClient();
  const { shown = connection, change } = useSavedAtOnce({
    queryKey: connectionQuery(connection.id).queryKey,
    data: connection,
    save: ({ sensitive }) => updateConnection(connection.id, { sensitive }),
    refused: "The connection was not changed",
    onSaved: () => void queryClient.invalidateQueries({ queryKey: connectionKeys.all }),
  });
  if (!mayManage && !connection.sensitive) return null;

  return (
    <Section title="Slack">
      <label className="flex items-start gap-2.5 pt-3">
        <input
          type="checkbox"
          className="mt-0.5 size-4 accent-accent"
          checked={shown.sensitive}
          disabled={!mayManage}
          onChange={(event) => change({ ...connection, sensitive: event.target.checked })}
        />
        <span>
          Keep out of Slack
          <span className="block text-sm text-ink-3">
            Questions that are asked in Slack are answered there with a link only, where they need this data.
          </span>
        </span>
      </label>
    </Section>
  );
}
