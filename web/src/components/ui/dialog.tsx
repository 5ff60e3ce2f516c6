import { Dialog as BaseDialog } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";

import { IconButton } from "@/components/ui/button";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  children: ReactNode;
  /** Buttons at the end. */
  actions?: ReactNode;
}

/** A question that must be answered before anything else. */
export function Dialog({ open, onClose, title, children, actions }: DialogProps) {
  return (
    <BaseDialog.Root open={open} onOpenChange={(isOpen) => !isOpen && onClose()}>
      <BaseDialog.Portal>
        <BaseDialog.Backdrop className="fixed inset-0 z-40 bg-scrim transition-opacity data-ending-style:opacity-0 data-starting-style:opacity-0" />
        <BaseDialog.Popup className="popup fixed top-[18vh] left-1/2 z-50 w-[min(30rem,calc(100vw-2rem))] max-h-[75vh] -translate-x-1/2 overflow-y-auto p-5">
          <BaseDialog.Title className="text-lg font-semibold">{title}</BaseDialog.Title>
          <div className="mt-2">{children}</div>
          {actions ? <div className="mt-5 flex flex-wrap justify-end gap-2">{actions}</div> : null}
        </BaseDialog.Popup>
      </BaseDialog.Portal>
    </BaseDialog.Root>
  );
}

/** A panel at the right edge, beside which the page stays usable. Escape closes it. */
export function SidePanel({ open, onClose, title, children }: Omit<DialogProps, "actions">) {
  return (
    <BaseDialog.Root open={open} modal={false} disablePointerDismissal onOpenChange={(isOpen) => !isOpen && onClose()}>
      <BaseDialog.Portal>
        <BaseDialog.Popup className="popup fixed inset-y-2 right-2 z-30 flex w-[min(32rem,calc(100vw-1rem))] flex-col transition-[translate,opacity] duration-150 data-ending-style:translate-x-4 data-ending-style:opacity-0 data-starting-style:translate-x-4 data-starting-style:opacity-0">
          <div className="flex items-center justify-between gap-3 border-b py-2 pr-2 pl-4">
            <BaseDialog.Title className="min-w-0 truncate text-base font-semibold">{title}</BaseDialog.Title>
            <BaseDialog.Close render={<IconButton label="Close" icon={<X />} />} />
          </div>
          <div className="min-h-0 flex-1 overflow-y-auto p-4">{children}</div>
        </BaseDialog.Popup>
      </BaseDialog.Portal>
    </BaseDialog.Root>
  );
}
