import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";

import { complaints, launch, newContext, saved, signIn } from "./browser";

let browser: Browser;
let page: Page;
let heard: string[];

beforeAll(async () => {
  browser = await launch();
  page = await (await newContext(browser)).newPage();
  heard = complaints(page);
  await page.goto("/settings");
  await signIn(page);
});
afterAll(async () => {
  await browser.close();
  expect(heard).toEqual([]);
});

it("lists the tasks that one does not want to hear of, and hears of them again", async () => {
  // Open since before: what is changed there later leaves alone what it has not heard of.
  const elsewhere = await page.context().newPage();
  await elsewhere.goto("/settings");
  const byEmail = elsewhere.getByLabel("By email");
  await byEmail.waitFor();
  await page.goto("/tasks/new");
  await page.getByLabel("Title").fill("Orders to mute");
  await page.getByRole("textbox", { name: "Question" }).fill("How many orders were there yesterday?");
  await page.getByRole("button", { name: "Save task" }).click();
  await page.getByRole("heading", { name: "Orders to mute" }).waitFor();
  await page.getByRole("button", { name: "Actions for Orders to mute" }).click();
  await page.getByRole("menuitem", { name: "Mute for me" }).click();
  await page.getByText("You will hear no more of this task.").waitFor();
  await saved(elsewhere, "/me/notification-preferences", () => byEmail.uncheck());
  await saved(elsewhere, "/me/notification-preferences", () => byEmail.check());
  await elsewhere.close();
  await page.goto("/settings");
  const line = page.getByRole("listitem").filter({ hasText: "Orders to mute" });
  await line.getByRole("button", { name: "Hear of it again" }).click();
  await line.waitFor({ state: "detached" });
  await page.getByText("You will hear of “Orders to mute” again.").waitFor();
});

it("says that there is no notice where all is well", async () => {
  await page.getByRole("link", { name: "Notices" }).first().click();
  await page.getByRole("heading", { name: "Notices" }).waitFor();
});

it("keeps how tasks run, and then offers a task without an end", async () => {
  const fill = async (hours: string, runs: string, mayNeverExpire: boolean) => {
    await page.goto("/settings");
    await page.getByLabel("Grace period, in hours").fill(hours);
    await page.getByLabel("Runs at once").fill(runs);
    await page.getByLabel("Tasks may never expire").setChecked(mayNeverExpire);
    await page.getByRole("button", { name: "Save settings" }).click();
  };
  await fill("a while", "0", false);
  await page.getByText("Write a number of hours from 0 to 168").waitFor();
  await page.getByText("Write a whole number from 1 to 10,000.").waitFor();
  await fill("8", "40", true);
  await page.getByText("Saved.", { exact: true }).waitFor();
  await page.reload();
  expect(await page.getByLabel("Grace period, in hours").inputValue()).toBe("8");
  expect(await page.getByLabel("Runs at once").inputValue()).toBe("40");
  await page.goto("/tasks/new");
  await page.getByLabel("Never expires").waitFor();
  await fill("6", "20", false);
  await page.getByText("Saved.", { exact: true }).waitFor();
});

it("makes a webhook, shows its secret once, sends a test and says why it did not arrive", async () => {
  await page.goto("/settings");
  await page.getByRole("link", { name: "Webhooks" }).click();
  await page.getByRole("button", { name: "New webhook" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Address").fill("https://hooks.example.invalid/tidings");
  await dialog.getByLabel("What it is for").fill("Pages the data team");
  await dialog.getByLabel(/A task was paused/).check();
  await dialog.getByRole("button", { name: "Make webhook" }).click();
  const secret = await dialog.getByLabel("Secret", { exact: true }).inputValue();
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  await dialog.getByRole("button", { name: "Done" }).click();
  const actions = page.getByRole("button", { name: /^Actions for https:\/\/hooks/ });
  await actions.click();
  await page.getByRole("menuitem", { name: "Send a test" }).click();
  await page.getByText("Given up").waitFor();
  await page.getByText("1 attempt").click();
  await page.getByText(/no answer/).waitFor();
  await actions.click();
  await page.getByRole("menuitem", { name: "Switch off" }).click();
  await page.getByText(/^Switched off/).waitFor();
  await page.reload();
  await page.getByText("Pages the data team").waitFor();
  expect(await page.getByText("whsec_").count()).toBe(0);
  await actions.click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByText("Pages the data team").first().waitFor({ state: "detached" });
});

it("says who answers, and asks a model that one may bring for a word", async () => {
  await page.goto("/settings");
  await page.getByRole("link", { name: "Model" }).click();
  await page.getByRole("heading", { name: "Questions are answered by the server's model" }).waitFor();
  await page.getByText("the built-in analyst").waitFor();
  await page.getByRole("button", { name: "Ask it for one word" }).click();
  await page.getByText("Name the model, as its provider does.").waitFor();
  await page.getByLabel("Model", { exact: true }).fill("some-model");
  await page.getByLabel("Address").fill("https://127.0.0.1:1/v1");
  await page.getByLabel("Key").fill("sk-canary");
  await page.getByRole("button", { name: "Ask it for one word" }).click();
  await page.getByText("must be reached from the open internet", { exact: false }).waitFor();
  await page.getByLabel("Address").fill("https://models.example.invalid/v1");
  await page.getByRole("button", { name: "Ask it for one word" }).click();
  await page.getByRole("alert").waitFor();
  expect(await page.getByRole("alert").textContent()).not.toContain("sk-canary");
});
