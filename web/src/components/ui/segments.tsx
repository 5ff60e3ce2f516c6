import type { UseFormRegisterReturn } from "react-hook-form";

/** A few choices side by side, of which one is taken: radio buttons in the look of one control. */
export function Segments({
  choices,
  field,
}: {
  choices: readonly (readonly [value: string, label: string])[];
  field: UseFormRegisterReturn;
}) {
  return (
    <div className="inline-flex max-w-full rounded-md border border-control p-0.5">
      {choices.map(([value, label]) => (
        <label
          key={value}
          className="flex h-8 cursor-pointer items-center rounded-sm px-3 text-ink-2 has-checked:bg-accent has-checked:font-medium has-checked:text-on-accent has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent pointer-coarse:h-10"
        >
          <input type="radio" value={value} className="sr-only" {...field} />
          {label}
        </label>
      ))}
    </div>
  );
}
