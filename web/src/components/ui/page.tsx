import { useEffect, type ReactNode } from "react";

/** A screen: its title (of the window too), what can be done there, and its content. */
export function Page({
  title,
  heading,
  lead,
  actions,
  children,
  width = "wide",
  headingLook = "text-xl font-semibold tracking-[-0.014em]",
}: {
  title: string;
  /** What stands as the heading where it is more than the title. */
  heading?: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  width?: "wide" | "read";
  headingLook?: string;
}) {
  useTitle(title);
  return (
    <div
      className={`w-full px-4 pt-6 pb-24 sm:px-8 lg:px-12 lg:pt-9 ${width === "wide" ? "max-w-[84rem]" : "max-w-[60rem]"}`}
    >
      <header className="mb-6 flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
        <div className="min-w-0 flex-1 basis-64">
          <h1 className={`break-words ${headingLook}`}>{heading ?? title}</h1>
          {lead ? <div className="mt-1 max-w-[70ch] text-ink-2">{lead}</div> : null}
        </div>
        {actions ? <div className="flex flex-wrap items-center gap-2">{actions}</div> : null}
      </header>
      {children}
    </div>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Tidings`;
  }, [title]);
}

/** A part of a screen under a small heading and a hairline. */
export function Section({
  title,
  actions,
  children,
  className = "",
}: {
  title: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
}) {
  return (
    <section className={className}>
      <div className="mb-1 flex min-h-9 items-center justify-between gap-4 border-b">
        <h2 className="text-sm font-semibold">{title}</h2>
        {actions}
      </div>
      {children}
    </section>
  );
}
