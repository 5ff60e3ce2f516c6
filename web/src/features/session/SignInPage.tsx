import { valibotResolver } from "@hookform/resolvers/valibot";
import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useForm } from "react-hook-form";
import * as v from "valibot";

import { ApiError, errorMessage } from "@/api/error";
import { meQuery, signIn, signInByLink } from "@/api/queries/session";
import type { Me } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Notice } from "@/components/ui/notice";
import { useTitle } from "@/components/ui/page";
import { Wordmark } from "@/components/wordmark";

const route = getRouteApi("/sign-in");

const Credentials = v.object({
  email: v.pipe(v.string(), v.trim(), v.email("Enter your email address.")),
  password: v.pipe(v.string(), v.nonEmpty("Enter your password.")),
});

/** By password, or by a one-time link whose token stands behind the `#`, where no server log sees it. */
export function SignInPage() {
  useTitle("Sign in");
  const enter = useEnter();
  const [failure, setFailure] = useState<string>();
  const isByLink = useSignInLink(enter, setFailure);
  const form = useForm({ resolver: valibotResolver(Credentials), defaultValues: { email: "", password: "" } });
  const { errors, isSubmitting } = form.formState;

  const submit = form.handleSubmit(async (credentials) => {
    setFailure(undefined);
    try {
      await enter(await signIn(credentials));
    } catch (error) {
      const isWrong = error instanceof ApiError && error.status === 401;
      setFailure(
        isWrong ? "This email and password do not belong together. Check both and try again." : errorMessage(error),
      );
      if (isWrong) form.setFocus("password", { shouldSelect: true });
    }
  });

  return (
    <main className="mx-auto flex min-h-dvh w-full max-w-[22rem] flex-col justify-center px-4 pb-[12vh]">
      <p>
        <Wordmark />
      </p>
      <h1 className="mt-8 text-xl font-semibold tracking-[-0.014em]">{isByLink ? "Signing you in…" : "Sign in"}</h1>
      <div aria-live="polite" className="mt-4 empty:hidden">
        {failure ? <Notice tone="bad">{failure}</Notice> : null}
      </div>
      {isByLink ? null : (
        <form noValidate onSubmit={(event) => void submit(event)} className="mt-4 flex flex-col gap-4">
          <Field label="Email" error={errors.email?.message}>
            <input type="email" autoComplete="username" className="control" {...form.register("email")} />
          </Field>
          <Field label="Password" error={errors.password?.message}>
            <input type="password" autoComplete="current-password" className="control" {...form.register("password")} />
          </Field>
          <Button type="submit" look="primary" busy={isSubmitting} className="mt-1">
            {isSubmitting ? "Signing in…" : "Sign in"}
          </Button>
        </form>
      )}
    </main>
  );
}

function useEnter(): (me: Me) => Promise<void> {
  const queryClient = useQueryClient();
  const router = useRouter();
  const { next } = route.useSearch();
  return async (me) => {
    queryClient.clear();
    queryClient.setQueryData(meQuery.queryKey, me);
    await router.navigate({ href: next ?? "/tasks", replace: true });
  };
}

/** Uses the token in the address, once. Answers whether that is under way. */
function useSignInLink(enter: (me: Me) => Promise<void>, fail: (message: string) => void): boolean {
  const [token] = useState(() => new URLSearchParams(window.location.hash.slice(1)).get("token"));
  const [isPending, setPending] = useState(token !== null);
  const started = useRef(false);
  useEffect(() => {
    if (token === null || started.current) return;
    started.current = true;
    // The token leaves the address bar and the history at once.
    window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search);
    signInByLink(token)
      .then(enter)
      .catch((error: unknown) => {
        const isUsed = error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
        fail(
          isUsed
            ? "This sign-in link was used already or has expired. Sign in below, or ask for a new link."
            : errorMessage(error),
        );
        setPending(false);
      });
  }, [token, enter, fail]);
  return isPending;
}
