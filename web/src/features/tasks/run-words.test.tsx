import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import type { Occurrence } from "@/api/types";

import { countDeliveries, deliveriesInWords, deliveryKindInWords, FateMark } from "./run-words";

function words(fate: Occurrence["fate"], reason: Occurrence["reason"] = null): string {
  return renderToStaticMarkup(<FateMark fate={fate} reason={reason} />).replaceAll(/<[^>]*>/g, "");
}

describe("how a run stands", () => {
  it("is told in words", () => {
    expect(words("no_news")).toBe("No news");
    expect(words("skipped", "still_running")).toBe("Skipped");
    expect(words("skipped", "stale_data")).toBe("Skipped, data not fresh");
    expect(words("missed", "superseded")).toBe("Missed");
    expect(words("succeeded")).toBe("Answered");
  });

  it("says what it waits for", () => {
    expect(words("waiting", "stale_data")).toBe("Waiting for fresh data");
    expect(words("waiting", "blocked_by_credits")).toBe("Waiting for credits");
    expect(words("waiting", "connection_failed")).toBe("Waiting to try again");
    expect(words("waiting")).toBe("Waiting");
  });

  it("is calm where there is no news, which is no error", () => {
    const markup = renderToStaticMarkup(<FateMark fate="no_news" />);
    expect(markup).not.toMatch(/text-(bad|warn)/);
    expect(renderToStaticMarkup(<FateMark fate="failed" />)).toContain("text-bad");
  });
});

describe("the messages of a run", () => {
  it("are counted as an occurrence counts them", () => {
    const states = ["sent", "sent", "sending", "unknown", "pending", "failed", "suppressed"] as const;
    const counts = countDeliveries(states.map((state) => ({ state })));
    expect(counts).toEqual({ sent: 2, pending: 3, failed: 1, withheld: 0, suppressed: 1 });
    expect(deliveriesInWords(counts)).toBe("2 messages sent, 3 to be sent, 1 failed, 1 not wanted");
  });

  it("are named where they are not the answer", () => {
    expect(deliveryKindInWords("answer")).toBe("");
    expect(deliveryKindInWords("no_news")).toBe("weekly note: no news");
  });
});
