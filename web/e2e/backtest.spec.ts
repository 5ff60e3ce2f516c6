import { describe, expect, it } from "vitest";

import { signIn } from "./browser";
import { judgeAtWidths, openWindow, page } from "./story";

openWindow();

describe("a backtest", () => {
  it("tells what a task would have sent on its last occurrences, and sends nothing", async () => {
    await page.goto("/tasks/new");
    await signIn(page);
    await page.getByLabel("Title").fill("Orders to try");
    await page.getByRole("textbox", { name: "Question" }).fill("How many orders were there by country last week?");
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByRole("heading", { name: "Orders to try" }).waitFor();
    await page.getByRole("button", { name: "Actions for Orders to try" }).click();
    await page.getByRole("menuitem", { name: "Backtest" }).click();
    await page.getByRole("heading", { name: "Backtest", level: 1 }).waitFor();
    await page.getByLabel("Last occurrences").selectOption("2");
    await page.getByRole("button", { name: "Start backtest" }).click();
    await page.getByText(/of 2 occurrences would have sent a message\. No credits used\./).waitFor({ timeout: 60_000 });
    expect(await page.getByRole("link", { name: /^Whole answer of/ }).count()).toBe(2);
    await judgeAtWidths("backtest");
  });
});
