import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";

import { PERSON } from "./binary";
import { complaints, launch, newContext, saved, signIn } from "./browser";
import { order } from "./fake-slack";

let browser: Browser;
let page: Page;
let heard: string[];

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());
beforeEach(async () => {
  page = await (await newContext(browser)).newPage();
  heard = complaints(page);
});
afterEach(async () => {
  await page.context().close();
  expect(heard).toEqual([]);
});

const TITLE = "Orders, tried in Slack";

interface Message {
  ts: string;
  thread_ts: string | null;
  bot_id: string | null;
  text: string;
  reactions: Record<string, string[]>;
}

describe("Slack", () => {
  it("is connected, tells who is who, answers there, and is disconnected", async () => {
    const baseUrl = inject("baseUrl");
    const address = { events_url: `${baseUrl}/slack/events`, interactions_url: `${baseUrl}/slack/interactions` };
    await order({ do: "app", app: address });
    const team = await order<string>({ do: "addTeam", name: "Northwind" });
    const robin = await order<string>({ do: "addUser", team, name: "robin", email: PERSON.email });
    const channel = await order<string>({ do: "addChannel", team, name: "growth", members: [robin], hasBot: true });

    await page.goto("/admin/slack");
    await signIn(page);
    await page.getByRole("button", { name: "Connect Slack" }).click();
    await page.getByLabel("Who are you?").selectOption(robin);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("you did not allow it in Slack").waitFor();
    await page.getByRole("button", { name: "Connect Slack" }).click();
    await page.getByLabel("Who are you?").selectOption(robin);
    await page.getByRole("button", { name: "Allow" }).click();
    await page.getByRole("heading", { name: "Connected team" }).waitFor();
    await page.getByText("Northwind", { exact: true }).waitFor();
    await page.getByLabel("Search, or paste a link").fill(channel);
    await page.getByText("#growth").waitFor();
    await page.getByText("the app is in it", { exact: true }).waitFor();

    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByRole("button", { name: "Find me by my address" }).click();
    await page.getByText(`Linked by your address ${PERSON.email}`).waitFor();
    await page.getByRole("button", { name: "Unlink" }).click();
    await page.getByRole("button", { name: "Sign in with Slack" }).click();
    await page.getByLabel("Who are you?").selectOption(robin);
    await page.getByRole("button", { name: "Allow" }).click();
    await page.getByText("You signed in with Slack").waitFor();

    const direct = await order<string>({ do: "directMessage", user: robin });
    const text = "How many flights were there in each month?";
    const asked = await order<string>({ do: "say", channel: direct, user: robin, text, threadTs: null });
    await expect
      .poll(async () => Object.keys((await message(direct, asked)).reactions), { timeout: 90_000, interval: 500 })
      .toEqual(["white_check_mark"]);
    const replies = (await order<Message[]>({ do: "messages", channel: direct })).filter(
      ({ thread_ts }) => thread_ts === asked,
    );
    expect(replies.length).toBeGreaterThan(0);
    expect(replies[0]?.bot_id).not.toBeNull();

    // Whoever wants both is told both ways; that is kept, and said where a task's recipients are chosen.
    const byEmail = page.getByLabel("By email");
    const bySlack = page.getByLabel("By a direct message in Slack");
    expect(await byEmail.isChecked()).toBe(true);
    const preferences = "/me/notification-preferences";
    await saved(page, preferences, () => bySlack.check());
    await page.reload();
    await byEmail.waitFor();
    expect([await byEmail.isChecked(), await bySlack.isChecked()]).toEqual([true, true]);
    await page.goto("/tasks/new");
    const told = page.getByRole("region", { name: "Who will see what" });
    const mine = told.getByRole("listitem").filter({ hasText: PERSON.name });
    await mine.getByText("by email and by a Slack message").waitFor();
    await page.getByLabel("Title").fill(TITLE);
    await page.getByRole("textbox", { name: "Question" }).fill("How many orders were there yesterday?");
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByRole("heading", { name: TITLE }).waitFor();

    // A test goes to oneself by the way that one prefers, and its proof leads to where it stands.
    await page.goto("/settings");
    await saved(page, preferences, () => byEmail.uncheck());
    await page.goto("/tasks");
    await page.getByRole("button", { name: `Actions for ${TITLE}` }).click();
    await page.getByRole("menuitem", { name: "Send a test to me" }).click();
    await page.waitForURL(/\/threads\//);
    await page.getByTestId("answer-1").waitFor({ timeout: 60_000 });
    await page
      .getByText(/^Messages:/)
      .getByRole("link")
      .click();
    await page.getByText("An answer, by a Slack message.").waitFor();
    const link = page.getByRole("link", { name: "Open the message" });
    await link.waitFor();
    expect(await link.getAttribute("href")).toMatch(/^https:\/\/northwind\.slack\.com\/archives\/D\d+\/p\d+$/);
    await page.goto("/settings");
    await saved(page, preferences, () => byEmail.check());
    await saved(page, preferences, () => bySlack.uncheck());

    await page.goto("/admin/slack");
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
    await page.getByRole("heading", { name: "Slack is not connected" }).waitFor();
  });
});

async function message(channel: string, ts: string): Promise<Message> {
  const messages = await order<Message[]>({ do: "messages", channel });
  const found = messages.find((one) => one.ts === ts);
  if (!found) throw new Error(`no message ${ts}`);
  return found;
}
