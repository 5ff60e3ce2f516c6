import { useQuery, useQueryClient } from "@tanstack/react-query";

import { connectionAudienceQuery, replaceConnectionAudience } from "@/api/queries/audience";
import type { ConnectionAudience } from "@/api/types";
import { Field } from "@/components/ui/field";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { sayError } from "@/components/ui/toast";
import { AUDIENCE_WORDS, type AudienceWord } from "@/lib/audience";

/** What a connection takes away from messages beside the workspace's policy. A change is saved at once. */
export function AudienceRule({ connectionId }: { connectionId: string }) {
  const queryClient = useQueryClient();
  const query = connectionAudienceQuery(connectionId);
  const { data, error, refetch } = useQuery(query);

  const save = async (rule: ConnectionAudience) => {
    queryClient.setQueryData(query.queryKey, rule);
    try {
      queryClient.setQueryData(query.queryKey, await replaceConnectionAudience(connectionId, rule));
      void queryClient.invalidateQueries({ queryKey: ["task-audience"] });
    } catch (failure) {
      queryClient.setQueryData(query.queryKey, data);
      sayError("This was not changed", failure);
    }
  };

  return (
    <Section title="In messages">
      {error ? <LoadError error={error} what="What goes into messages" onRetry={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton className="my-3 h-20" /> : null}
      {data ? (
        <div className="space-y-3 pt-3">
          <Field label="Members who may not view its results see">
            <Choose
              value={data.members}
              among={["full", "link_only", "withheld"]}
              onChange={(members) => void save({ ...data, members })}
            />
          </Field>
          <Field label="Guests and people outside see">
            <Choose
              value={data.outsiders}
              among={["link_only", "withheld"]}
              onChange={(outsiders) => void save({ ...data, outsiders })}
            />
          </Field>
          <Tick
            label="Sensitive"
            hint="Its results never go into Slack, and only those who may view them get more than a link."
            isOn={data.isSensitive}
            onChange={(isSensitive) => void save({ ...data, isSensitive })}
          />
          <Tick
            label="Credentials are shared"
            hint="Where not, a thread that used it stays its creator’s alone. Messages go out all the same."
            isOn={data.sharesCredentials}
            onChange={(sharesCredentials) => void save({ ...data, sharesCredentials })}
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
