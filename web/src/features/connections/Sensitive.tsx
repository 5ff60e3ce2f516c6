import { useQueryClient } from "@tanstack/react-query";

import { connectionKeys, connectionQuery, updateConnection } from "@/api/queries/connections";
import type { DataConnection } from "@/api/types";
import { Section } from "@/components/ui/page";
import { sayError } from "@/components/ui/toast";

/** Whether a connection's data stays out of Slack. A change is saved at once. */
export function Sensitive({ connection, mayManage }: { connection: DataConnection; mayManage: boolean }) {
  const queryClient = useQueryClient();
  if (!mayManage && !connection.sensitive) return null;

  const save = async (sensitive: boolean) => {
    const { queryKey } = connectionQuery(connection.id);
    queryClient.setQueryData(queryKey, { ...connection, sensitive });
    try {
      queryClient.setQueryData(queryKey, await updateConnection(connection.id, { sensitive }));
    } catch (failure) {
      sayError("The connection was not changed", failure);
    } finally {
      void queryClient.invalidateQueries({ queryKey: connectionKeys.all });
    }
  };

  return (
    <Section title="Slack">
      <label className="flex items-start gap-2.5 pt-3">
        <input
          type="checkbox"
          className="mt-0.5 size-4 accent-accent"
          checked={connection.sensitive}
          disabled={!mayManage}
          onChange={(event) => void save(event.target.checked)}
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
