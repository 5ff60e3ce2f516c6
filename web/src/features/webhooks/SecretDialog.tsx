import { Button } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { Dialog } from "@/components/ui/dialog";

/** Shows a secret this once. */
export function SecretDialog({ secret, onClose }: { secret: string; onClose: () => void }) {
  return (
    <Dialog
      open
      onClose={onClose}
      title="The webhook’s secret"
      actions={
        <Button look="primary" onClick={onClose}>
          Done
        </Button>
      }
    >
      <p className="text-ink-2">
        Give it to what receives the messages, which checks their signatures with it. Copy it now: it is not shown
        again.
      </p>
      <div className="mt-3 flex items-center gap-2">
        <input
          readOnly
          aria-label="Secret"
          value={secret}
          className="control sql"
          onFocus={(event) => event.target.select()}
        />
        <CopyButton text={secret} label="Copy secret" />
      </div>
    </Dialog>
  );
}
