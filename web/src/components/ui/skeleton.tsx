/** Stands where something is being loaded, in its size. */
export function Skeleton({ className = "", height }: { className?: string; height?: number }) {
  return <span aria-hidden className={`breathe block rounded-sm bg-line ${className}`} style={{ height }} />;
}

/** Rows of a list that is being loaded. */
export function SkeletonRows({ rows = 6, label }: { rows?: number; label: string }) {
  return (
    <div role="status" aria-label={label} className="border-t">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="flex h-14 items-center gap-6 border-b">
          <Skeleton className={`h-3.5 ${row % 3 === 0 ? "w-56" : row % 3 === 1 ? "w-72" : "w-44"} max-w-[60%]`} />
          <Skeleton className="ml-auto h-3.5 w-24" />
        </div>
      ))}
    </div>
  );
}
