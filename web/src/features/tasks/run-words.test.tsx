import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import type { DeliveryState, Occurrence } from "@/api/types";

import { countDeliveries, deliveriesInWords, deliveryKindInWords, deliveryStateInWords, FateMark } from "./run-words";

function message(userId: string, state: DeliveryState, reason: string | null = null) {
  const recipient = { userId, slackChannelId: null, label: userId };
  return { kind: "answer", channel: "email" as const, recipient, state, reason };
}

function words(fate: Occurrence["fate"], reason: Occurrence["reason"] = null): string {
  return renderToStaticMarkup(<FateMark fate={fate} reason={reason} />).replaceAll(/<[^>]*>/g, "");
}

describe("how a run stands", () => {
  it("is told in words", () => {
    expect(words("no_news")).toBe("No news");
    expect(words("skipped", "still_running")).toBe("Skipped");
    expect(words("skipped", "stale_data")).toBe("Skipped, data not fresh");
    expect(words("skipped", "rescheduled")).toBe("Skipped, rescheduled");
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
    const counts = countDeliveries(states.map((state, index) => message(`reader ${index}`, state, "unsubscribed")));
    expect(counts).toEqual({ sent: 2, pending: 3, failed: 1, withheld: 0, suppressed: 1 });
    expect(deliveriesInWords(counts)).toBe("2 messages sent, 3 to be sent, 1 failed, 1 not wanted");
  });

  it("count as failed where they did not arrive, and no longer once they were sent again", () => {
    const lost = [
      message("dead", "suppressed", "address_dead"),
      message("paused", "suppressed", "destination_paused"),
      message("again", "failed", "refused"),
    ];
    expect(countDeliveries(lost)).toMatchObject({ sent: 0, failed: 3, suppressed: 0 });
    expect(countDeliveries([...lost, message("again", "sent")])).toMatchObject({ sent: 1, failed: 2 });
    expect(lost.map(deliveryStateInWords)).toEqual(["not sent", "not sent", "failed"]);
  });

  it("are named where they are not the answer", () => {
    expect(deliveryKindInWords("answer")).toBe("");
    expect(deliveryKindInWords("no_news")).toBe("weekly note: no news");
  });
});
