import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { estimateQuery } from "@/api/queries/caps";
import type { Schedule } from "@/api/types";
import { aboutCredits } from "@/lib/caps";
import { counted } from "@/lib/number";

interface EstimateProps {
  prompt: string;
  schedule: Schedule;
  taskId: string | undefined;
}

/** What the task that is being edited will cost, about. Nothing where that is not known. */
export function Estimate(props: EstimateProps) {
  const { prompt, schedule, taskId } = useSettled(props);
  const { data, isError } = useQuery({ ...estimateQuery(prompt, schedule, taskId), enabled: prompt.trim() !== "" });
  if (!data || isError || prompt.trim() === "") return null;
  const { perRun, perMonth, runsPerMonth, basis } = data;
  return (
    <section aria-labelledby="estimate" aria-live="polite" className="mt-8">
      <h2 id="estimate" className="text-sm font-semibold">
        Cost
      </h2>
      {perRun === 0 ? (
        <p className="mt-0.5 text-ink-2">Its runs cost no credits.</p>
      ) : (
        <>
          <p className="tabular mt-0.5 text-ink-2">
            About {aboutCredits(perRun)} credits a run, {aboutCredits(perMonth)} a month
          </p>
          <p className="text-sm text-ink-3">
            {counted(runsPerMonth, "run")} in 30 days,{" "}
            {basis === "past_runs" ? "each as its last ten cost on average" : "judged by the length of the question"}
          </p>
        </>
      )}
    </section>
  );
}

/** What was written once nothing has changed for a moment, so that each letter does not ask the server. */
function useSettled(props: EstimateProps): EstimateProps {
  const [settled, setSettled] = useState(props);
  const text = JSON.stringify(props);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(JSON.parse(text) as EstimateProps), 600);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
