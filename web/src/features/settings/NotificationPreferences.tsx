import { useQuery, useQueryClient } from "@tanstack/react-query";

import { reachQuery } from "@/api/queries/people";
import { meQuery } from "@/api/queries/session";
import { preferencesQuery, quietTask, quietTasksQuery, replacePreferences } from "@/api/queries/settings";
import { useSavedAtOnce } from "@/components/use-saved-at-once";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { say, sayError } from "@/components/ui/toast";

/** By what ways one is told. A change is saved at once. */
export function NotificationPreferences() {
  const queryClient = useQueryClient();
  const { data: me } = useQuery(meQuery);
  const { data, error, refetch } = useQuery(preferencesQuery);
  const { shown, change } = useSavedAtOnce({
    queryKey: preferencesQuery.queryKey,
    data,
    save: replacePreferences,
    refused: "Your preferences were not changed",
    // The editor says how each person is told.
    onSaved: () => void queryClient.invalidateQueries({ queryKey: reachQuery.queryKey }),
  });

  return (
    <Section title="How you are told">
      {error ? <LoadError error={error} what="Your preferences" onRetry={() => void refetch()} /> : null}
      {!shown && !error ? <Skeleton className="mt-4 h-12 w-64" /> : null}
      {shown ? (
        <div className="space-y-3 pt-4">
          <label className="flex items-center gap-2.5">
            <input
              type="checkbox"
              className="size-4 accent-accent"
              checked={shown.email}
              onChange={(event) => change({ ...shown, email: event.target.checked })}
            />
            By email
          </label>
          <label className={`flex items-start gap-2.5 ${me?.features.slack ? "" : "text-ink-3"}`}>
            <input
              type="checkbox"
              className="mt-0.5 size-4 accent-accent"
              checked={shown.slackDm}
              disabled={!me?.features.slack}
              onChange={(event) => change({ ...shown, slackDm: event.target.checked })}
            />
            <span>
              By a direct message in Slack
              {me?.features.slack ? null : (
                <span className="block text-sm">Slack is not connected to this workspace.</span>
              )}
            </span>
          </label>
          <QuietTasks />
        </div>
      ) : null}
    </Section>
  );
}

/** Tasks whose messages one does not want, each with a way back. */
function QuietTasks() {
  const queryClient = useQueryClient();
  const { data, error, refetch } = useQuery(quietTasksQuery);
  const hearAgain = async (id: string, title: string) => {
    try {
      await quietTask(id, false);
      say(`You will hear of “${title}” again.`);
    } catch (failure) {
      sayError(`“${title}” stays quiet`, failure);
    }
    await queryClient.invalidateQueries({ queryKey: quietTasksQuery.queryKey });
  };
  if (error && !data) return <LoadError error={error} what="The tasks that you muted" onRetry={() => void refetch()} />;
  if (!data || data.values.length === 0) return null;
  return (
    <div>
      <h3 className="text-sm font-medium">Tasks that you do not want to hear of</h3>
      <ul className="mt-1 border-t">
        {data.values.map(({ id, title, until }) => (
          <li key={id} className="flex items-center justify-between gap-3 border-b py-1">
            <span className="min-w-0">
              <span className="block truncate">{title}</span>
              {until ? (
                <span className="block text-sm text-ink-3">
                  Quiet until <Time at={until} look="inline" />
                </span>
              ) : null}
            </span>
            <Button look="quiet" onClick={() => void hearAgain(id, title)}>
              Hear of it again
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}
