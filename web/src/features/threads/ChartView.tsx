import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { lazy, Suspense } from "react";

import { chartQuery } from "@/api/queries/threads";
import { buttonClass } from "@/components/ui/button";
import { LoadError } from "@/components/ui/notice";
import { Skeleton } from "@/components/ui/skeleton";

const Chart = lazy(() => import("@/components/chart/Chart").then((module) => ({ default: module.Chart })));

interface ChartViewProps {
  threadId: string;
  chartId: string;
  title: string;
  alt: string;
  /** Of the picture at the width that it was made for, in pixels: its place is kept while it is fetched. */
  height: number;
}

/** A chart, to be taken along as a picture. */
export function ChartView({ threadId, chartId, title, alt, height }: ChartViewProps) {
  const { data: chart, error, refetch } = useQuery(chartQuery(threadId, chartId));
  const place = <Skeleton className="max-w-[40rem]" height={height} />;
  if (error) return <LoadError error={error} what={`The chart “${title}”`} onRetry={() => void refetch()} />;
  return (
    <div className="max-w-[46rem]">
      {chart ? (
        <Suspense fallback={place}>
          <Chart vega={chart.vega} height={chart.height} title={title} alt={alt} />
        </Suspense>
      ) : (
        place
      )}
      <a
        href={`/api/v1/threads/${threadId}/charts/${chartId}.png`}
        download={`${title}.png`}
        className={buttonClass("quiet", "-ml-3 h-8! text-sm! text-ink-3")}
      >
        <Download aria-hidden />
        PNG
      </a>
    </div>
  );
}
