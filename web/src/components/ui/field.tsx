import { useId, type ReactElement, type ReactNode, cloneElement } from "react";

interface FieldProps {
  label: ReactNode;
  /** What to know before filling it in. */
  hint?: ReactNode;
  error?: string | undefined;
  /** The control; it is given `id`, `aria-invalid` and `aria-describedby`. */
  children: ReactElement<{ id?: string; "aria-invalid"?: boolean; "aria-describedby"?: string | undefined }>;
  className?: string;
}

/** A labelled control with its hint and its error. */
export function Field({ label, hint, error, children, className = "" }: FieldProps) {
  const id = useId();
  const describedBy = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ") || undefined;
  return (
    <div className={`flex flex-col gap-1 ${className}`}>
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {cloneElement(children, { id, "aria-invalid": error !== undefined, "aria-describedby": describedBy })}
      {hint ? (
        <p id={`${id}-hint`} className="text-sm text-ink-3">
          {hint}
        </p>
      ) : null}
      <FieldError id={`${id}-error`} message={error} />
    </div>
  );
}

export function FieldError({ id, message }: { id?: string | undefined; message: string | undefined }) {
  if (!message) return null;
  return (
    <p id={id} className="text-sm text-bad">
      {message}
    </p>
  );
}

/** A group of controls with one legend. */
export function FieldGroup({
  legend,
  hint,
  error,
  children,
  className = "",
}: {
  legend: ReactNode;
  hint?: ReactNode;
  error?: string | undefined;
  children: ReactNode;
  className?: string;
}) {
  const id = useId();
  return (
    <fieldset className={`min-w-0 ${className}`} aria-describedby={error ? `${id}-error` : undefined}>
      <legend className="mb-1 text-sm font-medium">{legend}</legend>
      {children}
      {hint ? <p className="mt-1 text-sm text-ink-3">{hint}</p> : null}
      <FieldError id={`${id}-error`} message={error} />
    </fieldset>
  );
}
