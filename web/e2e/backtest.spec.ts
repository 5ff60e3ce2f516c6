import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { complaints, launch, newContext, signIn } from "./browser";
import { judge, viewportOf, WIDTHS } from "./judge";

let browser: Browser;
let page: Page;
let heard: string[];

beforeAll(async () => {
  browser = await launch();
  page = await (await newContext(browser)).newPage();
  heard = complaints(page);
});
afterAll(() => browser.close());
afterEach(() => {
  expect(heard).toEqual([]);
});

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
    for (const width of [...WIDTHS].reverse()) {
      await page.setViewportSize(viewportOf(width));
      await judge(page, "backtest", width);
    }
    await page.emulateMedia({ colorScheme: "light" });
  });
});
