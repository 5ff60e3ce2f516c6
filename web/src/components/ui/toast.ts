import { Toast } from "@base-ui/react/toast";

import { errorMessage } from "@/api/error";

/** Where messages are told from anywhere; `ToastHost` shows them. */
export const toasts = keptUntilHeard(Toast.createToastManager());

/**
 * The host is loaded after the page, and a manager forgets what it says to nobody: a message told before would be lost, and
 * a deletion announced by it never done. So the first words wait for the host.
 */
function keptUntilHeard(manager: ReturnType<typeof Toast.createToastManager>): typeof manager {
  type Listener = Parameters<(typeof manager)[" subscribe"]>[0];
  const waiting: Parameters<Listener>[0][] = [];
  const forget = manager[" subscribe"]((word) => waiting.push(word));
  const subscribe = manager[" subscribe"].bind(manager);
  return {
    ...manager,
    " subscribe": (listener: Listener) => {
      forget();
      for (const word of waiting.splice(0)) listener(word);
      return subscribe(listener);
    },
  };
}

/** Says that something happened. */
export function say(message: string): void {
  toasts.add({ description: message, timeout: 4000 });
}

/** Says that an action failed and what to do. Stays until it is dismissed. */
export function sayError(what: string, error: unknown): void {
  toasts.add({ title: what, description: errorMessage(error), type: "bad", priority: "high", timeout: 0 });
}

/** Says that something happened, and offers what one may want next. */
export function sayWithOffer(message: string, offer: string, accept: () => void): void {
  const id = toasts.add({
    description: message,
    timeout: 10_000,
    actionProps: {
      children: offer,
      onClick: () => {
        toasts.close(id);
        accept();
      },
    },
  });
}

/** How long a deletion can be undone. */
const UNDO_MS = 6000;

/**
 * Does something that cannot be taken back, but only once the time to undo has passed (or the page is left). `undone` puts
 * the page back as it was.
 */
export function doWithUndo({ message, act, undone }: { message: string; act: () => void; undone: () => void }): void {
  let isSettled = false;
  const settle = (action: () => void) => {
    if (isSettled) return;
    isSettled = true;
    window.removeEventListener("pagehide", onLeave);
    action();
  };
  const onLeave = () => settle(act);
  window.addEventListener("pagehide", onLeave);
  const id = toasts.add({
    description: message,
    timeout: UNDO_MS,
    onClose: () => settle(act),
    actionProps: {
      children: "Undo",
      onClick: () => {
        settle(undone);
        toasts.close(id);
      },
    },
  });
}
