import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

import { complaints, launch, newContext, signIn } from "./browser";

let browser: Browser;
let page: Page;
let heard: string[];
let state: Awaited<ReturnType<ReturnType<Page["context"]>["storageState"]>>;

beforeAll(async () => {
  browser = await launch();
  const context = await newContext(browser);
  const first = await context.newPage();
  await first.goto("/tasks");
  await signIn(first);
  state = await context.storageState();
  await context.close();
});
afterAll(() => browser.close());
beforeEach(async () => {
  page = await (await newContext(browser, { storageState: state })).newPage();
  heard = complaints(page);
});
afterEach(async () => {
  await page.context().close();
  expect(heard).toEqual([]);
});

/** Writes a task by hand and saves it. */
async function createTask(title: string): Promise<void> {
  await page.goto("/tasks/new");
  await page.getByLabel("Title").fill(title);
  await page.getByRole("textbox", { name: "Question" }).fill("How many orders were there yesterday?");
  await page.getByRole("button", { name: "Save task" }).click();
  await page.getByRole("heading", { name: title }).waitFor();
}

describe("tasks", () => {
  it("are paused, resumed and duplicated from the list", async () => {
    await createTask("Orders to pause");
    await page.goto("/tasks?q=Orders to pause");
    const row = page.getByRole("row", { name: /Orders to pause/ });
    await row.getByRole("button", { name: /^Actions for/ }).click();
    await page.getByRole("menuitem", { name: "Pause" }).click();
    await row.getByRole("cell", { name: "Paused" }).waitFor();
    await row.getByRole("button", { name: /^Actions for/ }).click();
    await page.getByRole("menuitem", { name: "Resume" }).click();
    await row.getByRole("cell", { name: "Active" }).waitFor();
    await row.getByRole("button", { name: /^Actions for/ }).click();
    await page.getByRole("menuitem", { name: "Duplicate" }).click();
    await page.getByRole("heading", { name: "Edit task" }).waitFor();
  });

  it("come back when a deletion is undone", async () => {
    await createTask("Orders to keep");
    await page.goto("/tasks?q=Orders to keep");
    const row = page.getByRole("row", { name: /Orders to keep/ });
    await row.getByRole("button", { name: /^Actions for/ }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await row.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Undo" }).click();
    await row.waitFor();
    await page.reload();
    await row.waitFor();
  });

  it("are gone when the page is left before it was undone", async () => {
    await createTask("Orders to delete");
    await page.goto("/tasks?q=Orders to delete");
    const row = page.getByRole("row", { name: /Orders to delete/ });
    await row.getByRole("button", { name: /^Actions for/ }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await row.waitFor({ state: "detached" });
    // The deletion goes out as the page is left, and nobody is there to see its answer.
    await page.goto("/threads");
    await vi.waitFor(async () => {
      const tasks = await page.request.get("/api/v1/tasks?q=Orders to delete");
      expect(await tasks.json()).toMatchObject({ values: [] });
    }, 10_000);
  });

  it("say at their fields what the server found wrong, and keep what was written", async () => {
    await page.goto("/tasks/new");
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByText("Give the task a title.").waitFor();
    await page.getByText("Write the question that the task asks.").waitFor();
    await page.getByLabel("Title").fill("Kept");
    await page.getByRole("textbox", { name: "Question" }).fill("How many orders were there yesterday?");
    // A date in the past is for the server to refuse.
    await page.getByLabel("Last day").fill("2020-01-01");
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByText("Must be in the future.").waitFor();
    expect(await page.getByLabel("Title").inputValue()).toBe("Kept");
  });

  it("are not lost by leaving unasked", async () => {
    await page.goto("/tasks/new");
    await page.getByLabel("Title").fill("Half-written");
    await page.getByRole("link", { name: "Threads" }).click();
    const question = page.getByRole("dialog", { name: "Leave without saving?" });
    await question.getByRole("button", { name: "Keep editing" }).click();
    await question.waitFor({ state: "detached" });
    expect(await page.getByLabel("Title").inputValue()).toBe("Half-written");
    await page.getByRole("link", { name: "Threads" }).click();
    await question.getByRole("button", { name: "Leave" }).click();
    await page.getByRole("heading", { name: "Threads" }).waitFor();
  });

  it("are searched, filtered and sorted in the address", async () => {
    await page.goto("/tasks");
    await page.getByLabel("Search tasks").fill("orders");
    await page.waitForURL(/q=orders/);
    await page.getByRole("button", { name: "Active" }).click();
    await page.waitForURL(/status=active/);
    await page.getByRole("button", { name: "Task", exact: true }).click();
    await page.waitForURL(/sort=title/);
    await page.goBack();
    await page.waitForURL(/q=orders/);
  });
});

describe("the keyboard", () => {
  it("opens anything through the palette", async () => {
    await page.goto("/tasks");
    await page.getByRole("heading", { name: "Tasks" }).waitFor();
    await page.keyboard.press("Control+k");
    const input = page.getByRole("combobox", { name: /Search screens/ });
    await input.waitFor();
    await page.keyboard.type("outb");
    await page.getByRole("option", { name: "Outbox" }).waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/outbox/);
  });

  it("skips to the content", async () => {
    await page.goto("/tasks");
    await page.getByRole("heading", { name: "Tasks" }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
  });

  it("chooses a time zone", async () => {
    await page.goto("/tasks/new");
    const zone = page.getByRole("combobox", { name: "Time zone" });
    await zone.fill("Auckland");
    await page.getByRole("option", { name: /Auckland/ }).waitFor();
    await zone.press("ArrowDown");
    await zone.press("Enter");
    expect(await zone.inputValue()).toBe("Pacific/Auckland");
  });
});

describe("data", () => {
  it("is uploaded, looked into, granted and deleted", async () => {
    await page.goto("/data/new");
    await page.locator("input[type=file]").setInputFiles({
      name: "visits.csv",
      mimeType: "text/csv",
      buffer: Buffer.from("day,visits\n2026-01-01,10\n2026-01-02,12\n"),
    });
    await page.getByRole("textbox", { name: "Name" }).fill("Visits");
    await page.getByRole("button", { name: "Upload and connect" }).click();
    await page.getByRole("heading", { name: "Visits" }).waitFor();
    await page.getByRole("button", { name: /^visits/ }).click();
    await page.getByRole("cell", { name: "day" }).waitFor();
    await page.getByRole("button", { name: "Test" }).click();
    await page.getByText(/It works: 1 table/).waitFor();

    const grants = page.locator("section", { has: page.getByRole("heading", { name: "Who may use it" }) });
    await grants.getByRole("combobox", { name: "Grant to someone" }).fill("Everybody");
    await page.getByRole("option", { name: /Everybody/ }).click();
    await grants
      .getByLabel(/What .* may do/)
      .nth(1)
      .waitFor();

    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("heading", { name: "Data" }).waitFor();
    expect(await page.getByRole("link", { name: "Visits" }).count()).toBe(0);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("link", { name: "Visits" }).waitFor();
  });

  it("says at the field why a folder is refused", async () => {
    await page.goto("/data/new?type=files");
    await page.getByRole("textbox", { name: "Name" }).fill("Secrets");
    await page.getByLabel("Path").fill("/etc");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.locator("#root").getByText(/allow/i).nth(1).waitFor();
    expect(new URL(page.url()).pathname).toBe("/data/new");
  });
});

describe("settings", () => {
  it("make a token that is shown once and can be revoked", async () => {
    await page.goto("/settings");
    await page.getByRole("button", { name: "New token" }).click();
    await page.getByLabel("Name", { exact: true }).last().fill("Nightly export");
    await page.getByRole("button", { name: "Make token" }).click();
    const token = page.getByLabel("Token", { exact: true });
    await token.waitFor();
    expect(await token.inputValue()).toMatch(/^tdgp_[\w-]{43,}$/);
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Revoke Nightly export" }).click();
    await page.getByText("“Nightly export” deleted.").waitFor();
  });

  it("keep the profile", async () => {
    await page.goto("/settings");
    await page.getByLabel("Name", { exact: true }).fill("Robin R.");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByText("Saved.", { exact: true }).waitFor();
    await page.reload();
    expect(await page.getByLabel("Name", { exact: true }).inputValue()).toBe("Robin R.");
    await page.getByLabel("Name", { exact: true }).fill("Robin");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByText("Saved.", { exact: true }).waitFor();
  });
});
