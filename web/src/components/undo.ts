import { useSyncExternalStore } from "react";

import { doWithUndo, sayError } from "@/components/ui/toast";

/** Ids of things that a person deleted and may still get back: not shown, not yet deleted. */
let hidden: ReadonlySet<string> = new Set();
const listeners = new Set<() => void>();

function setHidden(id: string, isHidden: boolean): void {
  const next = new Set(hidden);
  if (isHidden) next.add(id);
  else next.delete(id);
  hidden = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What lists must leave out. */
export function useHidden(): ReadonlySet<string> {
  return useSyncExternalStore(subscribe, () => hidden);
}

interface Deletion {
  id: string;
  /** What it is called, for the message. */
  name: string;
  remove: () => Promise<void>;
  /** After it is gone, or back: refresh what shows it. */
  settled: () => void;
}

/** Hides something at once and deletes it when the time to undo has passed. */
export function deleteWithUndo({ id, name, remove, settled }: Deletion): void {
  setHidden(id, true);
  doWithUndo({
    message: `“${name}” deleted.`,
    act: () => {
      remove()
        .catch((error: unknown) => {
          setHidden(id, false);
          sayError(`“${name}” was not deleted`, error);
        })
        .finally(settled);
    },
    undone: () => {
      setHidden(id, false);
      settled();
    },
  });
}
