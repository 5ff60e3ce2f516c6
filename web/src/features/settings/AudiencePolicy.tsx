import { useQuery, useQueryClient } from "@tanstack/react-query";

import { audiencePolicyQuery, replaceAudiencePolicy } from "@/api/queries/audience";
import { useSavedAtOnce } from "@/components/use-saved-at-once";
import { Field } from "@/components/ui/field";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { AUDIENCE_WORDS, type AudienceWord } from "@/lib/audience";

/** The workspace's policy on how much of a message those see who may not view the data behind it. A change is saved at once. */
export function AudiencePolicy() {
  const queryClient = useQueryClient();
  const { data, error, refetch } = useQuery(audiencePolicyQuery);
  const { shown, change } = useSavedAtOnce({
    queryKey: audiencePolicyQuery.queryKey,
    data,
    save: replaceAudiencePolicy,
    refused: "The policy was not changed",
    onSaved: () => void queryClient.invalidateQueries({ queryKey: ["task-audience"] }),
  });

  return (
    <Section title="Who sees what in a message">
      <p className="pt-3 text-ink-2">
        Whoever may view the results of every connection behind an answer gets all of it. This is for everybody else. A
        connection can take away more; nothing can give more.
      </p>
      {error ? <LoadError error={error} what="The policy" onRetry={() => void refetch()} /> : null}
      {!shown && !error ? <Skeleton className="mt-4 h-24 w-64" /> : null}
      {shown ? (
        <div className="grid gap-4 pt-4 sm:grid-cols-2">
          <Field label="Members, and colleagues in Slack" hint="Without the right to view the results">
            <Choose
              value={shown.members}
              among={["full", "link_only", "withheld"]}
              onChange={(members) => change({ ...shown, members })}
            />
          </Field>
          <Field label="Guests and people outside" hint="And Slack channels that hold any">
            <Choose
              value={shown.outsiders}
              among={["link_only", "withheld"]}
              onChange={(outsiders) => change({ ...shown, outsiders })}
            />
          </Field>
        </div>
      ) : null}
    </Section>
  );
}

interface ChooseProps {
  value: AudienceWord;
  among: AudienceWord[];
  onChange: (word: AudienceWord) => void;
}

function Choose({ value, among, onChange, ...control }: ChooseProps) {
  return (
    <select
      {...control}
      value={value}
      onChange={(event) => onChange(event.target.value as AudienceWord)}
      className="control"
    >
      {among.map((word) => (
        <option key={word} value={word}>
          {AUDIENCE_WORDS[word]}
        </option>
      ))}
    </select>
  );
}
