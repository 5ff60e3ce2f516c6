import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { errorMessage } from "@/api/error";
import { mailSettingsQuery, replaceMailSettings } from "@/api/queries/settings";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { LoadError } from "@/components/ui/notice";
import { Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { say } from "@/components/ui/toast";

/** For admins: the domains whose addresses the workspace mails. */
export function MailDomains() {
  return (
    <Section title="Mail of the workspace">
      <Domains />
    </Section>
  );
}

function Domains() {
  const { data, error, refetch } = useQuery(mailSettingsQuery);
  if (error) return <LoadError error={error} what="The domains" onRetry={() => void refetch()} />;
  if (!data) return <Skeleton className="mt-4 h-24 w-full" />;
  return <DomainsForm key={data.domains.join()} domains={data.domains} />;
}

function DomainsForm({ domains }: { domains: string[] }) {
  const queryClient = useQueryClient();
  const [text, setText] = useState(domains.join("\n"));
  const [error, setError] = useState<string>();
  const written = text.split(/[\s,]+/).filter(Boolean);
  const isChanged = written.join() !== domains.join();

  const save = async () => {
    setError(undefined);
    try {
      queryClient.setQueryData(mailSettingsQuery.queryKey, await replaceMailSettings({ domains: written }));
      say("Saved.");
    } catch (failure) {
      setError(errorMessage(failure));
    }
  };

  return (
    <form
      className="space-y-3 pt-4"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <Field
        label="Domains that may be mailed"
        hint="One a line, such as example.com. Members with addresses elsewhere get nothing by mail. Empty: every member may be mailed."
        error={error}
      >
        <textarea
          className="control min-h-24"
          spellCheck={false}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </Field>
      <Button type="submit" look="primary" disabledReason={isChanged ? undefined : "Nothing has changed"}>
        Save domains
      </Button>
    </form>
  );
}
