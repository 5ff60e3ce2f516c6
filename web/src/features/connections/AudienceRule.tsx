import { useQuery, useQueryClient } from "@tanstack/react-query";

import { connectionAudienceQuery, replaceConnectionAudience } from "@/api/queries/audience";
import { useSavedAtOnce } from "@/components/use-saved-at-once";
import { Field } from "@/components/ui/field";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { AUDIENCE_WORDS, type AudienceWord } from "@/lib/audience";

/** What a connection takes away from messages beside the workspace's policy. A change is saved at once. */
export function AudienceRule({ connectionId }: { connectionId: string }) {
  const queryClient = useQueryClient();
  const query = connectionAudienceQuery(connectionId);
  const { data, error, refetch } = useQuery(query);
  const { shown, change } = useSavedAtOnce({
    queryKey: query.queryKey,
    data,
    save: (rule) => replaceConnectionAudience(connectionId, rule),
    refused: "This was not changed",
    onSaved: () => void queryClient.invalidateQueries({ queryKey: ["task-audience"] }),
  });

  return (
    <Section title="In messages">
      {error ? <LoadError error={error} what="What goes into messages" onRetry={() => void refetch()} /> : null}
      {!shown && !error ? <Skeleton className="my-3 h-20" /> : null}
      {shown ? (
        <div className="space-y-3 pt-3">
          <Field label="Members who may not view its results see">
            <Choose
              value={shown.members}
              among={["full", "link_only", "withheld"]}
              onChange={(members) => change({ ...shown, members })}
            />
          </Field>
          <Field label="Guests and people outside see">
            <Choose
              value={shown.outsiders}
              among={["link_only", "withheld"]}
              onChange={(outsiders) => change({ ...shown, outsiders })}
            />
          </Field>
          <Tick
            label="Sensitive"
            hint="Its results never go into Slack, and only those who may view them get more than a link."
            isOn={shown.isSensitive}
            onChange={(isSensitive) => change({ ...shown, isSensitive })}
          />
          <Tick
            label="Credentials are shared"
            hint="Where not, a thread that used it stays its creator’s alone. Messages go out all the same."
            isOn={shown.sharesCredentials}
            onChange={(sharesCredentials) => change({ ...shown, sharesCredentials })}
          />
        </div>
      ) : null}
    </Section>
  );
}

interface ChooseProps {
  value: AudienceWord | null;
  among: AudienceWord[];
  onChange: (word: AudienceWord | null) => void;
}

function Choose({ value, among, onChange, ...control }: ChooseProps) {
  return (
    <select
      {...control}
      value={value ?? ""}
      onChange={(event) => onChange(event.target.value === "" ? null : (event.target.value as AudienceWord))}
      className="control"
    >
      <option value="">As the workspace has it</option>
      {among.map((word) => (
        <option key={word} value={word}>
          {`At most ${AUDIENCE_WORDS[word].toLowerCase()}`}
        </option>
      ))}
    </select>
  );
}

interface TickProps {
  label: string;
  hint: string;
  isOn: boolean;
  onChange: (isOn: boolean) => void;
}

function Tick({ label, hint, isOn, onChange }: TickProps) {
  return (
    <label className="flex items-start gap-2.5">
      <input
        type="checkbox"
        className="mt-0.5 size-4 accent-accent"
        checked={isOn}
        onChange={(event) => onChange(event.target.checked)}
      />
      <span>
        {label}
        <span className="block text-sm text-ink-3">{hint}</span>
      </span>
    </label>
  );
}
