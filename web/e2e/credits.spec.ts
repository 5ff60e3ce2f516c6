import { describe, expect, it } from "vitest";

import { PERSON } from "./binary";
import { signIn } from "./browser";
import { viewportOf } from "./judge";
import { judgeAtWidths, openWindow, page } from "./story";

openWindow();

/** One story in steps: each begins where the one before it ended. */
describe("credits and limits", () => {
  it("are unlimited until some are granted, and then so many", async () => {
    await page.goto("/credits");
    await signIn(page);
    await page.getByText("Unlimited", { exact: true }).waitFor();
    await page.getByText("Nothing in this time.", { exact: false }).waitFor();
    await judgeAtWidths("credits-none");
    await page.getByRole("button", { name: "Grant credits" }).click();
    const dialog = page.getByRole("dialog", { name: "Grant credits" });
    await dialog.getByText("Nothing limits this workspace now.", { exact: false }).waitFor();
    await dialog.getByRole("button", { name: "Grant", exact: true }).click();
    await dialog.getByText("Say how many, such as 500.").waitFor();
    await dialog.getByLabel("Credits").fill("0.0000001");
    await dialog.getByRole("button", { name: "Grant", exact: true }).click();
    await dialog.getByText(/at most six decimals/).waitFor();
    await dialog.getByLabel("Credits").fill("1,500.5");
    await dialog.getByLabel("What for").fill("The second quarter");
    await dialog.getByRole("button", { name: "Grant", exact: true }).click();
    await page.getByText("Granted: 1,500.5 credits are left.").waitFor();
    await page.getByText("of 1,500.5 granted").waitFor();
  });

  it("are told by day, by person and by task", async () => {
    // The analyst of this server costs nothing: these are the figures of one whose model has a price.
    const me = { id: "019396f0-0000-7000-8000-000000000001", name: PERSON.name };
    const other = { id: "019396f0-0000-7000-8000-000000000002", name: "Sales desk of Northwind Travel" };
    const taskId = "019396f0-0000-7000-8000-000000000003";
    await page.route(/\/credits\/summary/, (route) =>
      route.fulfill({
        json: {
          firstDay: "2026-01-01",
          lastDay: "2026-01-31",
          credits: 12.000_001,
          days: [
            { day: "2026-01-02", credits: 8 },
            { day: "2026-01-31", credits: 4.000_001 },
          ],
          people: [
            { person: other, runs: 31, credits: 8 },
            { person: me, runs: 4, credits: 4.000_001 },
          ],
          peopleCount: 2,
          tasks: [
            { taskId, title: null, creator: other, runs: 31, credits: 8 },
            { taskId: null, title: null, creator: me, runs: 4, credits: 4.000_001 },
          ],
          tasksCount: 240,
        },
      }),
    );
    await page.getByLabel("Over how long").selectOption("7 days");
    await page.waitForURL(/days=7/);
    await page.getByRole("img", { name: /The most was 8, on Fri,? 2 Jan 2026/ }).waitFor();
    await page.getByRole("row", { name: `A task of ${other.name} 31 8` }).waitFor();
    await page.getByText("238 more used less.", { exact: false }).waitFor();
    await judgeAtWidths("credits");
    await page.unroute(/\/credits\/summary/);
  });

  it("limit the queries of a connection at once", async () => {
    await page.setViewportSize(viewportOf(1280));
    await page.goto("/data");
    await page.getByRole("link", { name: "Lumen Desk sales" }).click();
    await page.getByRole("button", { name: "Edit" }).click();
    const dialog = page.getByRole("dialog");
    const limit = dialog.getByLabel("Queries at once");
    expect(await limit.inputValue()).toBe("4");
    await limit.fill("101");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByText(/1 to 100\./).waitFor();
    await limit.fill("6");
    await dialog.getByRole("button", { name: "Save" }).click();
    // A message is a dialog, too: that this one closed shows in what lies behind it.
    await page.getByText("Saved.", { exact: true }).waitFor();
    await page.reload();
    await page.getByRole("definition").filter({ hasText: /^6$/ }).waitFor();
  });
});
