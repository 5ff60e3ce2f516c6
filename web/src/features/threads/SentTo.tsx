import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { runQuery } from "@/api/queries/tasks";

/** So many recipients are named before the rest is counted. */
const NAMED_MAX = 8;

/** To whom an answer was sent, each leading to what became of it. */
export function SentTo({ runId }: { runId: string }) {
  const { data: run } = useQuery({ ...runQuery(runId), retry: false });
  const answers = run?.deliveries.filter(({ kind }) => kind === "answer") ?? [];
  if (answers.length === 0) return null;
  return (
    <p className="text-sm text-ink-3">
      Messages:{" "}
      {answers.slice(0, NAMED_MAX).map(({ id, recipient, state }, index) => (
        <span key={id}>
          {index > 0 ? ", " : ""}
          <Link to="/deliveries/$deliveryId" params={{ deliveryId: id }} className="link text-sm">
            {recipient.label}
          </Link>
          {state === "sent" ? "" : ` (${state})`}
        </span>
      ))}
      {answers.length > NAMED_MAX ? ` and ${answers.length - NAMED_MAX} more, on the task’s page` : ""}
    </p>
  );
}
