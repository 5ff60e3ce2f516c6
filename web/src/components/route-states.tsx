import { useQueryErrorResetBoundary } from "@tanstack/react-query";
import { Link, useRouter, type ErrorComponentProps } from "@tanstack/react-router";

import { buttonClass } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";
import { Page } from "@/components/ui/page";

export function RouteError({ error }: ErrorComponentProps) {
  const router = useRouter();
  const { reset } = useQueryErrorResetBoundary();
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <Page title="Something went wrong" width="read">
      <LoadError error={error} what="This screen" onRetry={retry} />
    </Page>
  );
}

/** The same where not even the shell is there, and with it no landmark. */
export function AppError(props: ErrorComponentProps) {
  return (
    <main>
      <RouteError {...props} />
    </main>
  );
}

/** An address that no screen has. It stands outside the shell, so it brings its own landmark. */
export function RouteNotFound() {
  return (
    <main>
      <NotFound what="This page" />
    </main>
  );
}

/** What is not there and what one may not see look the same. */
export function NotFound({ what }: { what: string }) {
  return (
    <Page title="Not found" width="read">
      <p className="max-w-[60ch] text-ink-2">
        {what} does not exist, or is not shared with you. If somebody sent you the link, ask them to share it.
      </p>
      <Link to="/tasks" className={buttonClass("secondary", "mt-5")}>
        Go to your tasks
      </Link>
    </Page>
  );
}
