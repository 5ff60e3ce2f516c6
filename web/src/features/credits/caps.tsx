import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";

import { ApiError, errorMessage } from "@/api/error";
import { capsQuery, setUserCaps, setWorkspaceCaps } from "@/api/queries/caps";
import { peopleQuery } from "@/api/queries/people";
import { meQuery } from "@/api/queries/session";
import type { CapList, CreditCaps } from "@/api/types";
import { Button } from "@/components/ui/button";
import { PickOne } from "@/components/ui/combobox";
import { Field } from "@/components/ui/field";
import { LoadError, Notice } from "@/components/ui/notice";
import { Page, Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { say } from "@/components/ui/toast";
import { CAP_PROBLEM, fromCapTexts, isCap, toCapTexts, type CapTexts } from "@/lib/caps";
import { asSentence } from "@/lib/form";
import { amount } from "@/lib/number";

/** The caps as a screen of their own. */
export function CapsPage() {
  return (
    <Page
      title="Caps"
      width="read"
      lead="The most that work may cost. From 80% of a month’s cap on a cheaper model answers, where one is set up, and people are told; at the cap work stops until the next month."
    >
      <CapsPanel />
    </Page>
  );
}

/** The caps of the workspace and of its members: to set, for admins; to read, for others. A task’s own are in its editor. */
export function CapsPanel() {
  const { data: me } = useQuery(meQuery);
  const { data, error, refetch } = useQuery(capsQuery);
  if (error && !data) return <LoadError error={error} what="The caps" onRetry={() => void refetch()} />;
  if (!data || !me) return <Skeleton className="h-40 w-full" />;
  const isAdmin = me.role === "admin";
  return (
    <div className="space-y-10">
      {data.areHeld ? null : (
        <Notice>
          The workspace’s own model answers, which costs no credits: until it is taken away, no cap holds.
        </Notice>
      )}
      <Section title="Workspace">
        {isAdmin ? (
          <CapForm
            key={JSON.stringify(data.workspace.caps)}
            caps={data.workspace.caps}
            save={setWorkspaceCaps}
            name="workspace"
          />
        ) : (
          <CapsInWords caps={data.workspace.caps} />
        )}
        <Used credits={data.workspace.usedThisMonth} cap={data.workspace.caps.perMonth} />
      </Section>
      <Section title={isAdmin ? "People" : "You"}>
        {data.users.length === 0 ? (
          <p className="py-3 text-ink-2">
            {isAdmin ? "Nobody has caps of their own." : "You have no caps of your own."}
          </p>
        ) : null}
        <ul>
          {data.users.map(({ user, caps, usedThisMonth }) => (
            <li key={user.id} className="border-b py-3">
              <p className="font-medium">{user.name}</p>
              {isAdmin ? (
                <CapForm
                  key={JSON.stringify(caps)}
                  caps={caps}
                  save={(body) => setUserCaps(user.id, body)}
                  name={user.name}
                />
              ) : (
                <CapsInWords caps={caps} />
              )}
              <Used credits={usedThisMonth} cap={caps.perMonth} />
            </li>
          ))}
        </ul>
        {isAdmin ? <NewUserCap taken={data.users.map(({ user }) => user.id)} /> : null}
      </Section>
    </div>
  );
}

function CapsInWords({ caps: { perRun, perMonth } }: { caps: CreditCaps }) {
  const words = [
    perRun === null ? null : `${amount(perRun)} credits a run`,
    perMonth === null ? null : `${amount(perMonth)} credits a month`,
  ].filter((part) => part !== null);
  return <p className="pt-2 text-ink-2">{words.length > 0 ? `At most ${words.join(" and ")}` : "No caps"}</p>;
}

function Used({ credits, cap }: { credits: number; cap: number | null }) {
  // Not 100% before it is reached.
  const share = cap === null ? null : Math.floor((100 * credits) / cap);
  return (
    <p className={`tabular pt-2 text-sm ${share !== null && share >= 80 ? "text-warn" : "text-ink-3"}`}>
      {amount(credits)} credits used this month
      {share === null ? "" : `, ${share}% of the cap`}
    </p>
  );
}

function NewUserCap({ taken }: { taken: string[] }) {
  const { data: people } = useQuery(peopleQuery);
  const [userId, setUserId] = useState<string | null>(null);
  const choices = (people?.values ?? [])
    .filter(({ id }) => !taken.includes(id))
    .map(({ id, name, email }) => ({ id, label: name, detail: email }));
  return (
    <div className="space-y-3 pt-4">
      <Field label="Cap for another person" className="max-w-md">
        <PickOne
          choices={choices}
          value={userId ?? ""}
          onChange={setUserId}
          placeholder="Choose a person"
          empty="Nobody by that name without a cap."
        />
      </Field>
      {userId ? (
        <CapForm
          key={userId}
          caps={{ perRun: null, perMonth: null }}
          save={async (body) => {
            const list = await setUserCaps(userId, body);
            setUserId(null);
            return list;
          }}
          name="the person"
        />
      ) : null}
    </div>
  );
}

interface CapFormProps {
  caps: CreditCaps;
  save: (caps: CreditCaps) => Promise<CapList>;
  /** Whose, for the labels of its fields. */
  name: string;
}

function CapForm({ caps, save, name }: CapFormProps) {
  const queryClient = useQueryClient();
  const [texts, setTexts] = useState(toCapTexts(caps));
  const [failure, setFailure] = useState<string>();
  const [isSaving, setSaving] = useState(false);
  const before = toCapTexts(caps);
  const isChanged = texts.perRun.trim() !== before.perRun || texts.perMonth.trim() !== before.perMonth;
  const isRight = isCap(texts.perRun) && isCap(texts.perMonth);

  const submit = async () => {
    if (!isRight) return;
    setSaving(true);
    setFailure(undefined);
    try {
      // A list that is on its way would tell what was before.
      await queryClient.cancelQueries(capsQuery);
      queryClient.setQueryData(capsQuery.queryKey, await save(fromCapTexts(texts)));
      say("Saved.");
    } catch (error) {
      const issue = error instanceof ApiError ? error.issues[0] : undefined;
      setFailure(issue ? asSentence(issue.message) : errorMessage(error));
    } finally {
      setSaving(false);
    }
  };

  const input = (field: keyof CapTexts, label: ReactNode) => (
    <Field label={label} error={isCap(texts[field]) ? undefined : CAP_PROBLEM} className="w-44">
      <input
        type="text"
        inputMode="decimal"
        autoComplete="off"
        placeholder="No cap"
        className="control"
        value={texts[field]}
        onChange={(event) => setTexts({ ...texts, [field]: event.target.value })}
      />
    </Field>
  );

  return (
    <form
      aria-label={`Caps: ${name}`}
      className="pt-3"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <div className="flex flex-wrap items-start gap-4">
        {input("perRun", "Credits a run")}
        {input("perMonth", "Credits a month")}
        <Button
          type="submit"
          className="mt-6"
          busy={isSaving}
          disabledReason={isChanged ? undefined : "Nothing has changed"}
        >
          Save
        </Button>
      </div>
      {failure ? <p className="pt-2 text-sm text-bad">{failure}</p> : null}
    </form>
  );
}
