import { lazy, Suspense, type ComponentProps } from "react";

import type { PromptEditor as Editor } from "./PromptEditor";

const Loaded = lazy(() => import("./PromptEditor").then((module) => ({ default: module.PromptEditor })));

/** The editor is large: it comes in its own file, and its place is kept meanwhile. */
export function PromptEditor(props: ComponentProps<typeof Editor>) {
  const height = `calc(${props.minHeight ?? 6.5}rem + 2.5rem)`;
  return (
    <Suspense fallback={<div className="control" style={{ height }} aria-busy="true" />}>
      <Loaded {...props} />
    </Suspense>
  );
}
