import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";

import { signIn } from "./browser";
import { openWindow, page } from "./story";

const TITLE = "Signups by product, last month";

openWindow();

/** One story in steps: each begins where the one before it ended. */
describe("from a question to a checked message", () => {
  it("signs in on the way to a new task", async () => {
    await page.goto("/tasks/new");
    await signIn(page);
    await page.getByRole("heading", { name: "New task" }).waitFor();
  });

  it("writes a task with a mention", async () => {
    await page.getByLabel("Title").fill(TITLE);
    const question = page.getByRole("textbox", { name: "Question" });
    await question.click();
    await question.pressSequentially("Which products had the most signups last month in @");
    await page.getByRole("listbox", { name: "Data to mention" }).waitFor();
    await question.press("Enter");
    await question.locator(".mention").waitFor();
    await question.pressSequentially("?");
  });

  it("shows the next deliveries as the schedule is edited", async () => {
    const windows = page.getByRole("region", { name: "Next deliveries" });
    await windows.getByText("Every Monday").waitFor();
    await expectCount(windows.getByRole("listitem"), 5);
    await page.getByText("Monthly", { exact: true }).click();
    await page.getByLabel("Day of the month").selectOption("31");
    await windows.getByText("On the last day of every month").waitFor();
    await page.getByLabel("Delivered between").selectOption("06:00");
    await windows.getByText("06:00 to 08:00").first().waitFor();
    await expectCount(windows.getByRole("listitem"), 5);
  });

  it("saves it", async () => {
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByRole("heading", { name: TITLE }).waitFor();
    await page.getByText("On the last day of every month, 06:00 to 08:00, Europe/Berlin").waitFor();
    await page.locator(".mention").waitFor();
  });

  it("runs it now and watches the agent until it has answered", async () => {
    await page.getByRole("button", { name: "Run now" }).click();
    await page.waitForURL(/\/threads\//);
    // The steps come in one by one, and fold away when the answer is there.
    const steps = page.getByRole("list", { name: "What the agent did" });
    await steps
      .getByText(/^(Searching|Searched) the catalog$/)
      .first()
      .waitFor();
    await page.getByTestId("answer-1").waitFor({ timeout: 60_000 });
    expect(await steps.count()).toBe(0);
    await page.getByRole("button", { name: /Worked for/ }).click();
    await steps.getByText("Ran a query").first().waitFor();
    await steps.getByText("Wrote the answer", { exact: true }).last().waitFor();
    await steps.getByRole("button", { name: "SQL" }).first().click();
    await steps.getByRole("group", { name: "SQL" }).first().waitFor();
  });

  it("reads an answer whose figures are all in the data, with a chart and rows", async () => {
    const answer = page.getByTestId("answer-1");
    await answer.getByText(/figures? (are|is) in the data/).waitFor();
    await answer.getByRole("img").locator("svg").waitFor();
    await answer.getByRole("table").first().getByRole("row").nth(1).waitFor();
  });

  it("looks into a figure and finds its cell", async () => {
    const answer = page.getByTestId("answer-1");
    const figure = answer.getByRole("heading", { level: 2 }).getByRole("button").first();
    const text = (await figure.textContent()) ?? "";
    await figure.click();
    const panel = page.getByRole("dialog", { name: "Where this comes from" });
    await panel.getByText(text, { exact: true }).first().waitFor();
    await panel.locator("mark").first().waitFor();
    await panel.getByRole("group", { name: "SQL" }).waitFor();
    expect(page.url()).toContain("figure=");
    // The address holds what is open.
    await page.reload();
    await panel.locator("mark").first().waitFor();
    await page.keyboard.press("Escape");
    await panel.waitFor({ state: "detached" });
    expect(page.url()).not.toContain("figure=");
  });

  it("takes the rows along as CSV", async () => {
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: "CSV" }).first().click();
    expect((await download).suggestedFilename()).toMatch(/\.csv$/);
  });

  it("asks on", async () => {
    const box = page.getByRole("textbox", { name: "Ask a follow-up" });
    await box.click();
    await box.pressSequentially("How many signups were there last month?");
    await box.press("Enter");
    await page.getByTestId("answer-2").waitFor({ timeout: 60_000 });
  });

  it("sees the message that went out", async () => {
    await page.getByRole("link", { name: "Outbox" }).click();
    const mail = page.getByRole("link", { name: new RegExp(TITLE) }).first();
    await mail.click();
    const message = page.getByTitle(/^Message: /);
    await message.waitFor();
    const url = (await message.getAttribute("src")) ?? "";
    const document = await page.request.get(url);
    expect(document.status()).toBe(200);
    const html = await document.text();
    expect(html).toContain("data:image/png");
    await page.getByRole("button", { name: "Plain text" }).click();
    await page
      .getByText(/signups/i)
      .first()
      .waitFor();
    await page.getByRole("button", { name: "Source" }).click();
    await page.getByText(/^Message-ID: /im).waitFor();
  });

  it("finds the run and its delivery on the task's page", async () => {
    await page.getByRole("link", { name: "Tasks" }).click();
    await page.getByRole("link", { name: TITLE, exact: true }).click();
    await page.getByRole("heading", { name: TITLE }).waitFor();
    await page.getByRole("heading", { name: "To come" }).waitFor();
  });
});

async function expectCount(locator: ReturnType<Page["locator"]>, count: number): Promise<void> {
  await locator.nth(count - 1).waitFor();
  expect(await locator.count()).toBe(count);
}
