/** The product's sign and name. */
export function Wordmark() {
  return (
    <span className="inline-flex items-center gap-2 text-lg font-semibold tracking-[-0.02em]">
      <svg viewBox="0 0 20 20" className="size-5 text-accent" aria-hidden>
        <path d="M3 5.5h14M10 5.5V17" fill="none" stroke="currentColor" strokeWidth="2.25" strokeLinecap="round" />
        <circle cx="16" cy="15.5" r="1.75" fill="currentColor" />
      </svg>
      Tidings
    </span>
  );
}
