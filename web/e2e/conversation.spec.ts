import { describe, expect, it } from "vitest";

import { signIn } from "./browser";
import { judgeAtWidths, openWindow, page } from "./story";

const QUESTION = "How many signups were there last month?";
const TITLE = "How many signups were there last month";

openWindow();

async function ask(box: string, text: string): Promise<void> {
  const question = page.getByRole("textbox", { name: box });
  await question.click();
  await question.pressSequentially(text);
  await question.press("Enter");
}

/** Has the SQL of the answer on the page verified, for its own question or as it is written here. */
async function verify(question?: string): Promise<void> {
  await page.getByRole("button", { name: "Verify its SQL" }).click();
  const dialog = page.getByRole("dialog", { name: "Verify question and SQL" });
  if (question === undefined) {
    expect(await dialog.getByLabel("Question").inputValue()).toBe(QUESTION);
  } else {
    await dialog.getByLabel("Question").fill(question);
  }
  await dialog.getByRole("group", { name: "SQL" }).waitFor();
  await dialog.getByRole("button", { name: "Verify", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
}

/** One story in steps: each begins where the one before it ended. */
describe("a conversation that ends in a saved task", () => {
  it("asks a question", async () => {
    await page.goto("/threads");
    await signIn(page);
    await ask("Ask a question", QUESTION);
    await page.getByTestId("answer-1").waitFor({ timeout: 60_000 });
  });

  it("says what one thinks of the answer, with a reason", async () => {
    const down = page.getByRole("button", { name: "It did not help" });
    await down.click();
    await page.getByLabel("What is wrong with it?").fill("Trials are counted in.");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByRole("button", { name: "Change your reason" }).waitFor();
    expect(await down.getAttribute("aria-pressed")).toBe("true");
  });

  it("has its SQL verified", async () => {
    await verify();
  });

  it("wishes to have it every Monday, and is shown the draft", async () => {
    await ask("Ask a follow-up", "Run this every Monday morning at 8 and send it to me and #weekly-growth");
    const draft = page.getByRole("region", { name: "Draft of a task" });
    await draft.waitFor({ timeout: 60_000 });
    await draft.getByText("Every Monday, 08:00 to 10:00, Europe/Berlin").waitFor();
    await draft.getByText("Robin", { exact: true }).waitFor();
    await draft.getByText(/^#weekly-growth: No Slack channel/).waitFor();
    await judgeAtWidths("thread-draft");
  });

  it("reviews the draft in the editor, and saves nothing before", async () => {
    await page.getByRole("link", { name: "Review and save" }).click();
    await page.getByRole("heading", { name: "New task" }).waitFor();
    await page.getByText(/^#weekly-growth: No Slack channel/).waitFor();
    expect(await page.getByLabel("Title").inputValue()).toBe(TITLE);
    await page.getByRole("textbox", { name: "Question" }).locator(".mention").waitFor();
    expect(await page.getByLabel("Delivered between").inputValue()).toBe("08:00");
    await judgeAtWidths("task-new-draft");
    const tasks = await page.request.get("/api/v1/tasks?limit=100");
    expect(await tasks.text()).not.toContain(`"${TITLE}"`);
  });

  it("saves it as a task", async () => {
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByRole("heading", { name: TITLE }).waitFor();
    await page.getByText("Every Monday, 08:00 to 10:00, Europe/Berlin").first().waitFor();
    await page.goto("/tasks");
    await page.getByRole("link", { name: TITLE, exact: true }).waitFor();
  });

  it("pins the query of its run, and is told when a later run goes by another", async () => {
    await page.getByRole("link", { name: TITLE, exact: true }).click();
    await page.getByRole("button", { name: "Run now" }).click();
    await page.getByTestId("answer-1").waitFor({ timeout: 60_000 });
    await page.getByRole("button", { name: "Pin its query" }).click();
    await page.getByRole("button", { name: "Unpin its query" }).waitFor();

    // A query for the same question that comes to other rows.
    await page.goto("/threads");
    await ask("Ask a question", "How many signups by product were there last month?");
    await page.getByTestId("answer-1").waitFor({ timeout: 60_000 });
    await verify("How many signups were there last month in Lumen Desk sales?");

    await page.goto("/tasks");
    await page.getByRole("link", { name: TITLE, exact: true }).click();
    await page.getByRole("button", { name: "Run now" }).click();
    await page.getByText(/^Method changed:/).waitFor({ timeout: 60_000 });
    await page.getByRole("button", { name: "Both queries" }).click();
    await page.getByText("Behind this answer", { exact: true }).waitFor();
    await judgeAtWidths("thread-method-changed");
  });

  it("asks again, and is answered by the verified query", async () => {
    await page.goto("/threads");
    await ask("Ask a question", "how many signups were there last month");
    await page.getByTestId("answer-1").waitFor({ timeout: 60_000 });
    await page.getByText(`Uses the verified query of Robin for “${QUESTION}”.`).waitFor();
  });

  it("finds both on the page for those who manage the data", async () => {
    await page.goto("/verified");
    await page.getByText("“Trials are counted in.”").waitFor();
    const verified = page.locator("section", { has: page.getByRole("heading", { name: "Verified questions" }) });
    await verified.getByRole("button", { name: "SQL" }).first().click();
    await verified.getByRole("group", { name: "SQL" }).first().waitFor();
    await judgeAtWidths("verified");
    await verified.getByRole("button", { name: `Take back: ${QUESTION}` }).click();
    await verified.getByText(QUESTION, { exact: true }).waitFor({ state: "detached" });
  });
});
