/** Caps on what work may cost, as they are typed and read. */

import type { CreditCaps } from "@/api/types";
import { readNumber, writeNumber } from "@/lib/number";

/** Kept as typed; empty for no cap. */
export interface CapTexts {
  perRun: string;
  perMonth: string;
}

export const CAP_PROBLEM = "Write a number of credits above zero, such as 20 or 0.5, or nothing for no cap.";

/** Whether a text is a cap, or none. */
export function isCap(text: string): boolean {
  if (text.trim() === "") return true;
  const value = readNumber(text);
  return value >= 0.000001 && value <= 1e9;
}

export function toCapTexts({ perRun, perMonth }: CreditCaps): CapTexts {
  const text = (cap: number | null) => (cap === null ? "" : writeNumber(cap));
  return { perRun: text(perRun), perMonth: text(perMonth) };
}

export function fromCapTexts({ perRun, perMonth }: CapTexts): CreditCaps {
  const cap = (text: string) => (text.trim() === "" ? null : readNumber(text));
  return { perRun: cap(perRun), perMonth: cap(perMonth) };
}

const fewDigits = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** An amount as precise as an estimate is: `0.48`, `12`, `1,250`. */
export function aboutCredits(credits: number): string {
  return credits >= 100 ? whole.format(credits) : fewDigits.format(credits);
}
