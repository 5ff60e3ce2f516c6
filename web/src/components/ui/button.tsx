import { useId, type ComponentProps, type ReactNode } from "react";

type Look = "primary" | "secondary" | "quiet" | "danger";

const BASE =
  "inline-flex items-center justify-center gap-1.5 whitespace-nowrap rounded-md px-3 text-base font-medium " +
  "h-9 pointer-coarse:h-11 transition-colors select-none aria-disabled:cursor-not-allowed [&_svg]:size-4 [&_svg]:shrink-0";

const LOOKS: Record<Look, string> = {
  primary:
    "bg-accent text-on-accent hover:bg-accent-strong aria-disabled:bg-sunk aria-disabled:text-ink-3 aria-disabled:hover:bg-sunk",
  secondary:
    "border border-line-strong bg-raised text-ink hover:border-control aria-disabled:text-ink-3 aria-disabled:hover:border-line-strong",
  quiet: "text-ink-2 hover:bg-sunk hover:text-ink aria-disabled:text-ink-3 aria-disabled:hover:bg-transparent",
  danger: "border border-line-strong bg-raised text-bad hover:border-bad aria-disabled:text-ink-3",
};

export function buttonClass(look: Look = "secondary", extra = ""): string {
  return `${BASE} ${LOOKS[look]} ${extra}`;
}

interface ButtonProps extends Omit<ComponentProps<"button">, "disabled"> {
  look?: Look;
  /** Why it cannot be pressed now. Given, the button stays focusable and says so. */
  disabledReason?: string | undefined;
  /** Its action is under way: it keeps its size and takes no second press. */
  busy?: boolean;
}

export function Button({ look, className = "", disabledReason, busy = false, onClick, type, ...rest }: ButtonProps) {
  const reasonId = useId();
  const isOff = busy || disabledReason !== undefined;
  // One shape with a reason and without, so that the button stays the same element, and focused, when a reason comes.
  return (
    <>
      <button
        {...rest}
        type={type ?? "button"}
        aria-disabled={isOff || undefined}
        aria-busy={busy || undefined}
        aria-describedby={disabledReason === undefined ? rest["aria-describedby"] : reasonId}
        data-tip={disabledReason}
        className={buttonClass(look, className)}
        onClick={(event) => {
          if (isOff) event.preventDefault();
          else onClick?.(event);
        }}
      />
      {disabledReason === undefined ? null : (
        <span id={reasonId} className="sr-only">
          {disabledReason}
        </span>
      )}
    </>
  );
}

interface IconButtonProps extends Omit<ComponentProps<"button">, "children"> {
  /** What it does: read aloud and shown on hover and focus. */
  label: string;
  icon: ReactNode;
}

export function IconButton({ label, icon, className = "", type, ...rest }: IconButtonProps) {
  return (
    <button
      {...rest}
      type={type ?? "button"}
      aria-label={label}
      data-tip={label}
      className={iconButtonClass(className)}
    >
      {icon}
    </button>
  );
}

export function iconButtonClass(extra = ""): string {
  return (
    "inline-flex size-8 pointer-coarse:size-11 shrink-0 items-center justify-center rounded-md text-ink-2 " +
    `transition-colors hover:bg-sunk hover:text-ink data-popup-open:bg-sunk [&_svg]:size-4 ${extra}`
  );
}
