import { lazy, Suspense, useState } from "react";
import type { Spec } from "vega";

import { RowsTable } from "./RowsTable";
import { heading, plotHeight } from "./spec";

const VegaChart = lazy(() => import("./VegaChart").then((module) => ({ default: module.VegaChart })));

interface ChartProps {
  /** Compiled Vega with its rows, as the API answers it. */
  vega: unknown;
  /** Height of the whole picture at the width that it was made for, in pixels. */
  height: number;
  title: string;
  /** What the chart shows, in words. */
  alt: string;
}

/**
 * A chart as wide as its place, with what a pointer points at. Where it cannot be drawn its words and its rows stand in.
 * Vega is large: it comes in its own file, and the place is kept meanwhile.
 */
export function Chart({ vega, height, title, alt }: ChartProps) {
  const [hasFailed, setHasFailed] = useState(false);
  const [fail] = useState(() => () => setHasFailed(true));
  const spec = vega as Spec;
  const { subtitle } = heading(spec);
  return (
    <figure>
      {title ? <figcaption className="text-base font-semibold text-pretty">{title}</figcaption> : null}
      {subtitle ? <p className="text-sm text-ink-3">{subtitle}</p> : null}
      {hasFailed ? (
        <div className="mt-2 space-y-3">
          <p>{alt}</p>
          <RowsTable spec={spec} label={title || alt} />
        </div>
      ) : (
        <div role="img" aria-label={alt} className="mt-3" style={{ minHeight: plotHeight(spec, height) }}>
          <Suspense fallback={null}>
            <VegaChart vega={spec} height={height} onFailure={fail} />
          </Suspense>
        </div>
      )}
    </figure>
  );
}
