import { useQuery } from "@tanstack/react-query";

import { ApiError } from "@/api/error";
import { modelQuery } from "@/api/queries/model";
import type { ModelSettings } from "@/api/types";
import { Time } from "@/components/time";
import { Facts } from "@/components/ui/facts";
import { LoadError, Notice } from "@/components/ui/notice";
import { Page, Section } from "@/components/ui/page";
import { SkeletonRows } from "@/components/ui/skeleton";

import { OwnModelForm } from "./OwnModelForm";
import { RemoveOwnModel } from "./RemoveOwnModel";
import { modelInWords } from "./words";

/** Who answers the workspace's questions, and the workspace's own model. For admins. */
export function ModelPage() {
  const { data, error, refetch } = useQuery(modelQuery);
  const isRefused = error instanceof ApiError && error.status === 403;
  return (
    <Page
      title="Model"
      width="read"
      lead="Who answers this workspace's questions: the server's model, or one that the workspace brings itself."
    >
      {isRefused ? <Notice>The model is for admins of the workspace.</Notice> : null}
      {error && !isRefused ? <LoadError error={error} what="The model" onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonRows rows={3} label="Loading the model" /> : null}
      {data ? (
        <div className="max-w-[42rem] space-y-10">
          <Answering settings={data} />
          <Section title={data.own ? "Change the workspace's own model" : "Bring a model of your own"}>
            <OwnModelForm key={data.own?.updatedAt ?? "none"} own={data.own} />
          </Section>
        </div>
      ) : null}
    </Page>
  );
}

function Answering({ settings: { server, own } }: { settings: ModelSettings }) {
  if (own) {
    return (
      <Section title="Questions are answered by the workspace's own model" actions={<RemoveOwnModel server={server} />}>
        <Facts
          facts={[
            ["Model", own.model],
            ["Address", own.baseUrl ?? "OpenAI's own"],
            ["Key", own.hasKey ? "Kept encrypted, shown to nobody" : "None"],
            ["Set up", <SetUp key="set-up" at={own.updatedAt} by={own.updatedByName} />],
            ["Cost", "No credits: the workspace pays its provider. Tokens are counted."],
          ]}
        />
      </Section>
    );
  }
  return (
    <Section title="Questions are answered by the server's model">
      <Facts
        facts={[
          ["Model", modelInWords(server.model)],
          ["While it is down", standIn(server)],
        ]}
      />
    </Section>
  );
}

function standIn({ model, fallback }: ModelSettings["server"]): string {
  if (model === "builtin") return "It never is: it is part of the server";
  return fallback ? modelInWords(fallback) : "Nobody stands in";
}

function SetUp({ at, by }: { at: string; by: string }) {
  return (
    <>
      <Time at={at} look="inline" /> by {by}
    </>
  );
}
