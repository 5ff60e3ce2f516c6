import { describe, expect, it } from "vitest";

import { signIn } from "./browser";
import { judgeAtWidths, openWindow, page } from "./story";

const TITLE = "Signups, when they are beyond belief";
const VERDICT = /^Nothing sent: .+ is not above 1,000,000,000\.$/;

openWindow();

/** One story in steps: each begins where the one before it ended. */
describe("a task that is sent on a condition, on fresh data", () => {
  it("says how the age of the data is known", async () => {
    await page.goto("/data");
    await signIn(page);
    await page.getByRole("link", { name: "Lumen Desk sales" }).click();
    await page.getByText("Nobody said how its age is known").waitFor();
    await page.getByRole("button", { name: "Set a check" }).click();
    const dialog = page.getByRole("dialog", { name: "Freshness check" });
    const table = dialog.getByRole("combobox", { name: "Table" });
    await table.fill("signups");
    await page.getByRole("option", { name: "signups" }).first().waitFor();
    await table.press("ArrowDown");
    await table.press("Enter");
    await dialog.getByLabel("How many").fill("never");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByText("Write a whole number from 1 on.").waitFor();
    await dialog.getByLabel("How many").fill("3");
    await dialog.getByLabel("Minutes, hours or days").selectOption("days");
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.waitFor({ state: "detached" });
    await page.getByText(/^Fresh while the newest signups\.\w+ is at most 3 days old\.$/).waitFor();
    await page.getByText("Fresh", { exact: true }).waitFor();
    await judgeAtWidths("connection-fresh");
  });

  it("writes the task, and is told at the field what is wrong", async () => {
    await page.goto("/tasks/new");
    await page.getByLabel("Title").fill(TITLE);
    const question = page.getByRole("textbox", { name: "Question" });
    await question.click();
    await question.pressSequentially("How many signups were there last month in @Lumen");
    await page.getByRole("listbox", { name: "Data to mention" }).waitFor();
    await question.press("Enter");
    await question.pressSequentially("?");

    await page.getByText("On a condition").click();
    await page.getByLabel("Comparison").selectOption("above");
    await page.getByRole("textbox", { name: "Number" }).fill("many");
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByText("Write a number, such as 500 or 12.5.").waitFor();
    // The form holds it to be right; the server knows the largest number.
    await page.getByRole("textbox", { name: "Number" }).fill("99999999999999999999");
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByText(/^Must be a number between/).waitFor();
    await page.getByRole("textbox", { name: "Number" }).fill("1,000,000,000");
  });

  it("waits for the data that the question mentions", async () => {
    await page.getByText("Once the data is fresh").click();
    await page.getByText(/^signups\.\w+ at most 3 days old$/).waitFor();
    await page.getByLabel("Skip that day").check();
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByRole("heading", { name: TITLE }).waitFor();
    await page.getByText("Only when the value is above 1,000,000,000").waitFor();
    await page.getByText("Waited for; if it does not come, skipped that day").waitFor();
  });

  it("runs, finds that there is no news, and says so with the numbers", async () => {
    await page.getByRole("button", { name: "Run now" }).click();
    await page.waitForURL(/\/threads\//);
    await page.getByTestId("answer-1").waitFor({ timeout: 60_000 });
    await page.getByText(VERDICT).waitFor();
    await judgeAtWidths("thread-no-news");
  });

  it("keeps the run in the timeline, and sends nothing", async () => {
    await page.goto("/tasks");
    await page.getByRole("link", { name: TITLE, exact: true }).click();
    const runs = page.locator("section", { has: page.getByRole("heading", { name: "Occurrences" }) });
    await runs.getByText("No news", { exact: true }).waitFor();
    await runs.getByText(VERDICT).waitFor();
    await judgeAtWidths("task-no-news");
    await page.goto("/outbox");
    // The mails to this person are all there, or it says that there are none.
    await page.getByRole("navigation", { name: "Mails" }).or(page.getByText("Nothing was sent yet")).waitFor();
    expect(await page.getByRole("link", { name: new RegExp(TITLE) }).count()).toBe(0);
  });

  it("is edited as it was saved, and set back to always", async () => {
    await page.goto("/tasks");
    await page.getByRole("link", { name: TITLE, exact: true }).click();
    await page.getByRole("link", { name: "Edit", exact: true }).click();
    const number = page.getByRole("textbox", { name: "Number" });
    await number.waitFor();
    expect(await number.inputValue()).toBe("1000000000");
    expect(await page.getByLabel("Comparison").inputValue()).toBe("above");
    expect(await page.getByLabel("Skip that day").isChecked()).toBe(true);
    await judgeAtWidths("task-edit-condition");
    // By the keyboard: the choices are radio buttons.
    await page.getByRole("radio", { name: "On a condition" }).press("ArrowLeft");
    await number.waitFor({ state: "detached" });
    await page.getByRole("radio", { name: "Once the data is fresh" }).press("ArrowLeft");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByRole("heading", { name: TITLE }).waitFor();
    await page.getByText("Not waited for").waitFor();
  });
});
