import type { CreditBalance } from "@/api/types";
import { Notice } from "@/components/ui/notice";
import { amount, counted } from "@/lib/number";

/** What is left of what was granted, and what waits for more. */
export function Balance({ balance, isAdmin }: { balance: CreditBalance; isAdmin: boolean }) {
  const { balance: left, granted, usedThisMonth, waitingRuns } = balance;
  return (
    <div className="space-y-4">
      <dl className="flex flex-wrap gap-x-14 gap-y-5 border-t pt-4">
        <Sum name="Left" value={left === null ? "Unlimited" : amount(left)} isBad={left !== null && left <= 0}>
          {left === null || granted === null ? "No credits were ever granted" : `of ${amount(granted)} granted`}
        </Sum>
        <Sum name="Used this month" value={amount(usedThisMonth)}>
          by the workspace, since the 1st by UTC
        </Sum>
        <Sum name="Waiting" value={counted(waitingRuns, "run")}>
          {waitingRuns === 0 ? "None lacks credits" : "until there are credits"}
        </Sum>
      </dl>
      {left !== null && left <= 0 ? (
        <Notice tone="warn">
          <p className="font-medium">Nothing is left</p>
          <p>
            Scheduled runs wait for credits until their window closes, and questions fail.{" "}
            {isAdmin ? "Once you grant some, the runs that wait begin at once." : "An admin can grant some."}
          </p>
        </Notice>
      ) : null}
    </div>
  );
}

function Sum({ name, value, isBad, children }: { name: string; value: string; isBad?: boolean; children: string }) {
  return (
    <div>
      <dt className="eyebrow">{name}</dt>
      <dd>
        <span className={`tabular block text-2xl font-semibold tracking-[-0.014em] ${isBad ? "text-bad" : ""}`}>
          {value}
        </span>
        <span className="text-sm text-ink-3">{children}</span>
      </dd>
    </div>
  );
}
