import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";

import { buttonClass, iconButtonClass } from "@/components/ui/button";
import { toasts as manager } from "@/components/ui/toast";

/** The one place where messages about actions appear. */
export function ToastHost() {
  return (
    <Toast.Provider toastManager={manager} limit={4}>
      <Toast.Portal>
        <Toast.Viewport
          aria-label="Messages"
          className="fixed inset-x-4 bottom-4 z-60 mx-auto flex max-w-md flex-col sm:right-6 sm:left-auto sm:mx-0 sm:w-md"
        >
          <Toasts />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function Toasts() {
  const { toasts } = Toast.useToastManager();
  return toasts.map((toast) => (
    <Toast.Root
      key={toast.id}
      toast={toast}
      className={`popup mt-2 flex w-full items-center gap-2 py-2 pr-2 pl-4 transition-[opacity,translate] duration-150 data-ending-style:opacity-0 data-starting-style:translate-y-2 data-starting-style:opacity-0 ${
        toast.type === "bad" ? "border-bad" : ""
      }`}
    >
      <div className="min-w-0 flex-1 py-1">
        {toast.title ? (
          <>
            <Toast.Title className="font-medium text-bad" />
            <Toast.Description className="break-words" />
          </>
        ) : (
          // What is only a sentence is the name of its message, too.
          <Toast.Title render={<p />} className="break-words">
            {toast.description}
          </Toast.Title>
        )}
      </div>
      {toast.actionProps ? <Toast.Action className={buttonClass("quiet", "text-accent")} /> : null}
      <Toast.Close aria-label="Dismiss" className={iconButtonClass()}>
        <X />
      </Toast.Close>
    </Toast.Root>
  ));
}
