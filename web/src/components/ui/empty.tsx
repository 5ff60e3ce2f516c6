import type { ReactNode } from "react";

/** What stands where there is nothing yet: says what would be here, and how to get it. */
export function Empty({ title, children, action }: { title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <section className="border-t py-10">
      <h2 className="text-lg font-semibold">{title}</h2>
      <div className="mt-2 max-w-[60ch] space-y-2 text-ink-2">{children}</div>
      {action ? <div className="mt-5 flex flex-wrap gap-2">{action}</div> : null}
    </section>
  );
}
