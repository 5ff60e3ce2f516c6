/**
 * Takes the pictures of the documentation that show what people get: the mail, who will see what, and the page of a
 * delivery. `npm run pictures` runs it, over the real binary and its demo workspace.
 */

import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, it } from "vitest";

import { launch, newContext } from "./browser";
import { order } from "./fake-slack";

const FOLDER = fileURLToPath(new URL("../../docs/images/", import.meta.url));
/** The documentation is read in a checkout: its pictures stay small. */
const BYTES_MAX = 150_000;

let browser: Browser;
let page: Page;

beforeAll(async () => {
  browser = await launch();
  page = await (await newContext(browser)).newPage();
  await page.goto(inject("signInUrl"));
  await page.getByTestId("answer-1").waitFor({ timeout: 60_000 });
});
afterAll(() => browser.close());

/** The picture of a file that was just taken is small, and not empty. */
async function expectSmall(name: string): Promise<void> {
  const { size } = await stat(FOLDER + name);
  expect(size, name).toBeGreaterThan(5_000);
  expect(size, name).toBeLessThan(BYTES_MAX);
}

async function latestMail(): Promise<string> {
  const latest = async () => {
    const mails = await page.request.get("/api/v1/outbox?limit=1");
    return ((await mails.json()) as { values: { id: string }[] }).values[0]?.id;
  };
  await expect.poll(latest, { timeout: 60_000 }).toBeDefined();
  return (await latest()) ?? "";
}

it.each([
  { width: 680, scheme: "light", name: "mail-light.png" },
  { width: 680, scheme: "dark", name: "mail-dark.png" },
  { width: 390, scheme: "light", name: "mail-phone-light.png" },
  { width: 390, scheme: "dark", name: "mail-phone-dark.png" },
] as const)("the mail, $scheme, $width pixels wide", async ({ width, scheme, name }) => {
  await page.setViewportSize({ width, height: 1_000 });
  await page.emulateMedia({ colorScheme: scheme });
  await page.goto(`/api/v1/outbox/${await latestMail()}/html`);
  await page.getByRole("img").first().waitFor();
  await page.screenshot({ path: FOLDER + name, fullPage: true });
  await expectSmall(name);
});

it("the page of a delivery", async () => {
  await page.setViewportSize({ width: 1_120, height: 860 });
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(`/deliveries/${await latestMail()}`);
  await page.getByRole("list", { name: "Connections used" }).waitFor();
  await page.frameLocator("iframe").getByRole("img").first().waitFor();
  await page.screenshot({ path: `${FOLDER}delivery.png` });
  await expectSmall("delivery.png");
});

it("who will see what", async () => {
  const me = (await (await page.request.get("/api/v1/me")).json()) as { id: string; email: string };
  const team = await order<string>({ do: "addTeam", name: "Lumen Desk" });
  const person = await order<string>({ do: "addUser", team, name: "demo", email: me.email });
  const colleague = await order<string>({ do: "addUser", team, name: "sales", email: "sales@lumendesk.example" });
  const members = [person, colleague];
  await order({ do: "addChannel", team, name: "sales", members, hasBot: true });
  await order({ do: "addChannel", team, name: "harbour-launch", members, hasBot: true, isExtShared: true });
  const made = await page.request.post("/api/v1/groups", {
    data: { name: "Sales", members: { users: [{ id: me.id }] } },
  });
  expect(made.ok(), await made.text()).toBe(true);

  await page.goto("/admin/slack");
  await page.getByRole("button", { name: "Connect Slack" }).click();
  await page.getByLabel("Who are you?").selectOption(person);
  await page.getByRole("button", { name: "Allow" }).click();
  await page.getByText("#harbour-launch").waitFor({ timeout: 60_000 });

  await page.goto("/tasks/new");
  const question = page.getByRole("textbox", { name: "Question" });
  await question.click();
  await question.pressSequentially("How many signups were there last month in @Lumen");
  await page.getByRole("listbox", { name: "Data to mention" }).waitFor();
  await question.press("Enter");
  for (const channel of ["sales", "harbour-launch"]) {
    await page.getByRole("combobox", { name: "Slack channels" }).fill(channel);
    await page.getByRole("option", { name: `#${channel}` }).click();
  }
  await page.getByRole("combobox", { name: "Groups" }).fill("Sales");
  await page.getByRole("option", { name: /^Sales/ }).click();
  await page.keyboard.press("Escape");
  const told = page.getByRole("region", { name: "Who will see what" });
  await told.getByText("A link only").first().waitFor();
  await told.getByText("1 member now").waitFor();
  await told.evaluate((element) => element.scrollIntoView({ block: "center" }));
  const box = await told.boundingBox();
  if (!box) throw new Error("it is not in sight");
  const clip = { x: box.x - 16, y: box.y - 12, width: box.width + 32, height: box.height + 24 };
  await page.screenshot({ path: `${FOLDER}audience.png`, clip });
  await expectSmall("audience.png");
});
