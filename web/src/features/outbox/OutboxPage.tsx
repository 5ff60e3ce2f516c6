import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, Outlet, useParams } from "@tanstack/react-router";

import { outboxQuery } from "@/api/queries/outbox";
import type { OutboxMail } from "@/api/types";
import { Time } from "@/components/time";
import { buttonClass } from "@/components/ui/button";
import { Empty } from "@/components/ui/empty";
import { LoadError } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";
import { ShowMore } from "@/components/ui/show-more";
import { SkeletonRows } from "@/components/ui/skeleton";

/** The mails that the dev transport kept, and the one that is open beside them. */
export function OutboxPage() {
  const list = useInfiniteQuery(outboxQuery);
  const { data, error, refetch } = list;
  const { mailId } = useParams({ strict: false });
  const mails = data?.pages.flatMap(({ values }) => values);
  return (
    <Page title="Outbox" lead="No mail server is configured, so messages are kept here, exactly as they would be sent.">
      {error && !mails ? <LoadError error={error} what="The mails" onRetry={() => void refetch()} /> : null}
      {!mails && !error ? <SkeletonRows label="Loading mails" /> : null}
      {mails?.length === 0 ? <NoMailYet /> : null}
      {mails && mails.length > 0 ? (
        <div className="grid gap-x-10 gap-y-6 lg:grid-cols-[20rem_minmax(0,1fr)]">
          <nav aria-label="Mails" className={mailId ? "hidden lg:block" : ""}>
            <ul className="border-t">
              {mails.map((mail) => (
                <MailLine key={mail.id} mail={mail} />
              ))}
            </ul>
            <ShowMore what="mails" list={list} />
          </nav>
          <div className="min-w-0">
            {mailId ? (
              <Link to="/outbox" className="link mb-4 inline-block lg:hidden">
                All mails
              </Link>
            ) : (
              <p className="hidden border-t py-3 text-ink-2 lg:block">Choose a mail to read it.</p>
            )}
            <Outlet />
          </div>
        </div>
      ) : null}
    </Page>
  );
}

function MailLine({ mail }: { mail: OutboxMail }) {
  return (
    <li className="border-b">
      <Link
        to="/outbox/$mailId"
        params={{ mailId: mail.id }}
        activeOptions={{ includeSearch: false }}
        resetScroll={false}
        className="block border-l-2 border-transparent py-2.5 pl-3 hover:bg-sunk/60 aria-[current=page]:border-accent aria-[current=page]:bg-sunk"
      >
        <span className="block truncate font-medium">{mail.subject}</span>
        <span className="flex justify-between gap-3 text-sm text-ink-3">
          <span className="min-w-0 truncate">{mail.to}</span>
          <Time at={mail.createdAt} />
        </span>
      </Link>
    </li>
  );
}

function NoMailYet() {
  return (
    <Empty
      title="Nothing was sent yet"
      action={
        <Link to="/tasks" className={buttonClass("secondary")}>
          Go to your tasks
        </Link>
      }
    >
      <p>Run a task, and the message that its readers would get appears here a moment after the answer.</p>
    </Empty>
  );
}
