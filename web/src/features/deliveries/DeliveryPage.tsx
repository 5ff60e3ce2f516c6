import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Send } from "lucide-react";
import { useState, type ReactNode } from "react";

import { ApiError } from "@/api/error";
import { deliveryQuery, sendAgain } from "@/api/queries/deliveries";
import type { DeliveryAttempt, DeliveryProof } from "@/api/types";
import { NotFound } from "@/components/route-states";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { Facts } from "@/components/ui/facts";
import { LoadError } from "@/components/ui/notice";
import { Page, Section } from "@/components/ui/page";
import { Skeleton } from "@/components/ui/skeleton";
import { sayError } from "@/components/ui/toast";
import { AUDIENCE_TONE, AUDIENCE_WORDS } from "@/lib/audience";
import { asSentence } from "@/lib/form";
import { bytes, counted } from "@/lib/number";

import { Rights } from "./Rights";
import { SlackMessage } from "./SlackMessage";
import { durationInWords, kindInWords, outcomeInWords, stateInWords, WAYS } from "./words";

const route = getRouteApi("/app/deliveries/$deliveryId");

/** What can be shown of one delivery: what was sent to whom, by whose rights, when, and how it ended. */
export function DeliveryPage() {
  const { deliveryId } = route.useParams();
  const { data, error, refetch } = useQuery(deliveryQuery(deliveryId));
  if (data) return <OneDelivery key={data.id} delivery={data} />;
  if (error instanceof ApiError && error.status === 404) return <NotFound what="This delivery" />;
  return (
    <Page title="Delivery" heading={error ? "Delivery" : <Skeleton className="h-7 w-60" />}>
      {error ? (
        <LoadError error={error} what="The delivery" onRetry={() => void refetch()} />
      ) : (
        <Skeleton className="h-64 w-full" />
      )}
    </Page>
  );
}

function OneDelivery({ delivery }: { delivery: DeliveryProof }) {
  const { attempts, state } = delivery;
  // What arrived stands as it was decided when it was made, though a later attempt may have left out its rest.
  const made = state === "sent" ? attempts.filter(({ decision }) => decision?.contentSha256) : [];
  const decided = made.at(-1) ?? attempts.at(-1);
  return (
    <Page
      title={`To ${delivery.recipient.label}`}
      lead={<Standing delivery={delivery} />}
      actions={delivery.mayRead ? <SendAgain delivery={delivery} /> : null}
    >
      <div className="grid gap-x-14 gap-y-8 xl:grid-cols-[minmax(0,1fr)_24rem]">
        <div className="min-w-0 space-y-8">
          <Section title="How much the recipient may see">
            <Decided attempt={decided} />
          </Section>
          <Section title="Attempts">
            {attempts.length === 0 ? <p className="py-3 text-ink-2">None yet.</p> : null}
            <ol>
              {attempts.map((attempt) => (
                <Attempt key={attempt.attempt} attempt={attempt} />
              ))}
            </ol>
          </Section>
          <Section title="The message">
            <Content delivery={delivery} />
          </Section>
        </div>
        <div className="min-w-0 space-y-8">
          <Section title="Delivery">
            <Facts facts={factsOf(delivery)} />
          </Section>
          {delivery.figures ? (
            <Section title="Figures">
              <Figures figures={delivery.figures} />
            </Section>
          ) : null}
        </div>
      </div>
    </Page>
  );
}

function Standing({ delivery: { kind, channel, state, sentAt, reason, message } }: { delivery: DeliveryProof }) {
  const why = message ?? reason;
  return (
    <>
      <p>
        {kindInWords(kind)}, {WAYS[channel] ?? channel}.{" "}
        <span className={state === "failed" ? "text-bad" : "text-ink"}>{stateInWords(state)}</span>
        {sentAt ? (
          <>
            {" "}
            <Time at={sentAt} look="inline" />
          </>
        ) : null}
        .
      </p>
      {why ? <p>{asSentence(why)}</p> : null}
    </>
  );
}

function SendAgain({ delivery: { id, sendAgainRefusal } }: { delivery: DeliveryProof }) {
  const navigate = route.useNavigate();
  const queryClient = useQueryClient();
  const [isSending, setSending] = useState(false);
  const send = async () => {
    setSending(true);
    try {
      const deliveryId = await sendAgain(id);
      void queryClient.invalidateQueries({ queryKey: ["runs"] });
      void queryClient.invalidateQueries({ queryKey: ["deliveries", id] });
      await navigate({ to: "/deliveries/$deliveryId", params: { deliveryId } });
    } catch (error) {
      sayError("It was not sent again", error);
      setSending(false);
    }
  };
  return (
    <Button
      busy={isSending}
      disabledReason={sendAgainRefusal === null ? undefined : asSentence(sendAgainRefusal)}
      onClick={() => void send()}
    >
      <Send aria-hidden />
      {isSending ? "Sending…" : "Send again"}
    </Button>
  );
}

function Decided({ attempt }: { attempt: DeliveryAttempt | undefined }) {
  if (!attempt?.decision) return <p className="py-3 text-ink-2">Not decided yet: that is done when it is sent.</p>;
  const { audience, reason, record, decidedAt } = attempt.decision;
  return (
    <div className="pt-3">
      <p>
        <span className={`font-medium ${AUDIENCE_TONE[audience]}`}>{AUDIENCE_WORDS[audience]}</span>
        <span className="text-ink-3">
          , decided <Time at={decidedAt} look="inline" />
        </span>
      </p>
      <p className="mt-0.5 max-w-[70ch] text-ink-2">{reason}</p>
      {record ? <Rights record={record} /> : null}
    </div>
  );
}

function Attempt({ attempt }: { attempt: DeliveryAttempt }) {
  const { startedAt, finishedAt, outcome, message, decision } = attempt;
  return (
    <li className="grid gap-x-4 gap-y-0.5 border-b py-2.5 sm:grid-cols-[9.5rem_1fr]">
      <span className="tabular">
        {attempt.attempt}. {outcomeInWords(outcome, startedAt)}
      </span>
      <div className="min-w-0 text-ink-2">
        <p>
          {startedAt ? (
            <>
              Began <Time at={startedAt} look="inline" />
              {finishedAt ? `, ended after ${durationInWords(startedAt, finishedAt)}` : ", not known to have ended"}
            </>
          ) : (
            "Ended before anything was sent"
          )}
        </p>
        {message ? <p className="break-words">{message}</p> : null}
        {decision ? (
          <p className="text-sm text-ink-3">
            {AUDIENCE_WORDS[decision.audience]}
            {decision.contentBytes === null ? "" : `, ${bytes(decision.contentBytes)}`}
          </p>
        ) : null}
        {decision?.contentSha256 ? (
          <p className="flex items-start gap-1 text-sm text-ink-3">
            <code className="min-w-0 break-all">sha256 {decision.contentSha256}</code>
            <CopyButton text={decision.contentSha256} label="Copy hash" />
          </p>
        ) : null}
      </div>
    </li>
  );
}

function Content({ delivery: { id, mailId, slackMessage, mayRead, attempts } }: { delivery: DeliveryProof }) {
  if (!mayRead) return <p className="py-3 text-ink-2">What it said is for the task’s creator alone.</p>;
  if (mailId) {
    return (
      <>
        <iframe
          src={`/api/v1/outbox/${mailId}/html`}
          title="The message as it was sent"
          sandbox="allow-popups allow-popups-to-escape-sandbox"
          className="mt-3 h-[32rem] w-full rounded-md border"
        />
        <p className="mt-2 text-sm">
          <a href={`/api/v1/outbox/${mailId}/source`} className="link">
            The source, byte for byte
          </a>
        </p>
      </>
    );
  }
  if (slackMessage) return <SlackMessage key={id} message={slackMessage} />;
  const wasMade = attempts.some(({ decision }) => decision?.contentSha256);
  return (
    <p className="max-w-[70ch] py-3 text-ink-2">
      {wasMade
        ? "A copy is not kept here: it went to your mail server. The hash above tells whether a mail at hand is this one."
        : "Nothing was made of it."}
    </p>
  );
}

function Figures({ figures: { checked, unchecked, shown } }: { figures: NonNullable<DeliveryProof["figures"]> }) {
  if (checked + unchecked === 0) return <p className="py-3 text-ink-2">There are no figures in it.</p>;
  return (
    <>
      <p className="pt-3 pb-1">
        {checked} of {counted(checked + unchecked, "figure")} found in its results
        {unchecked > 0 ? <span className="text-warn">, {unchecked} marked as unchecked</span> : null}
      </p>
      <ul className="flex flex-wrap gap-1.5 pt-1">
        {shown.map(({ id, text, isChecked }) => (
          <li key={id} className={`tabular rounded-sm bg-sunk px-1.5 ${isChecked ? "" : "text-warn"}`}>
            {text}
            {isChecked ? null : <span className="sr-only"> (unchecked)</span>}
          </li>
        ))}
      </ul>
    </>
  );
}

function factsOf(delivery: DeliveryProof): [string, ReactNode][] {
  const { recipient, channel, createdAt, providerId, slackPermalink, taskId, taskTitle, threadId } = delivery;
  const { repeats, repeatedBy, mayRead } = delivery;
  const facts: [string, ReactNode][] = [
    ["To", recipient.label],
    ["How", WAYS[channel] ?? channel],
    ["Queued", <Time key="queued" at={createdAt} />],
  ];
  if (providerId)
    facts.push([channel === "email" ? "Message-ID" : "Provider’s id", <code key="id">{providerId}</code>]);
  if (slackPermalink) {
    facts.push([
      "In Slack",
      <a key="slack" href={slackPermalink} target="_blank" rel="noreferrer" className="link">
        Open the message
      </a>,
    ]);
  }
  if (taskId && mayRead) {
    facts.push([
      "Task",
      <Link key="task" to="/tasks/$taskId" params={{ taskId }} className="link">
        {taskTitle ?? "A deleted task"}
      </Link>,
    ]);
  }
  if (threadId && mayRead) {
    facts.push([
      "Thread",
      <Link key="thread" to="/threads/$threadId" params={{ threadId }} className="link">
        Open
      </Link>,
    ]);
  }
  if (repeats) {
    facts.push([
      "Sent again",
      <span key="repeats">
        at the request of {repeats.requestedByName}, after{" "}
        <DeliveryLink id={repeats.deliveryId}>an earlier delivery</DeliveryLink>
      </span>,
    ]);
  }
  if (repeatedBy.length > 0) {
    facts.push([
      "Repeated",
      <ul key="repeated">
        {repeatedBy.map((id) => (
          <li key={id}>
            <DeliveryLink id={id}>by a later delivery</DeliveryLink>
          </li>
        ))}
      </ul>,
    ]);
  }
  return facts;
}

function DeliveryLink({ id, children }: { id: string; children: ReactNode }) {
  return (
    <Link to="/deliveries/$deliveryId" params={{ deliveryId: id }} className="link">
      {children}
    </Link>
  );
}
