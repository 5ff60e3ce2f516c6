import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";

import { complaints, launch, newContext } from "./browser";
import { judge, viewportOf, WIDTHS } from "./judge";

let browser: Browser;
let state: Awaited<ReturnType<ReturnType<Page["context"]>["storageState"]>>;

beforeAll(async () => {
  browser = await launch();
  const context = await newContext(browser);
  const page = await context.newPage();
  // The demo user comes by the one-time link, and the first screen shows an answer with a chart.
  await page.goto(inject("signInUrl"));
  await page.getByTestId("answer-1").getByRole("img").locator("svg").first().waitFor({ timeout: 60_000 });
  state = await context.storageState();
  await context.close();
});
afterAll(() => browser.close());

interface Screen {
  name: string;
  /** Leads to the screen, until it is all there. */
  open: (page: Page) => Promise<void>;
}

async function openLatestThread(page: Page): Promise<void> {
  await page.goto("/threads");
  await page.getByRole("main").getByRole("listitem").getByRole("link").first().click();
  await page.getByTestId("answer-1").waitFor();
  await page.getByTestId("answer-1").getByRole("img").locator("svg").first().waitFor();
}

const SCREENS: Screen[] = [
  {
    name: "model",
    open: async (page) => {
      await page.goto("/admin/model");
      await page.getByRole("button", { name: "Ask it for one word" }).waitFor();
    },
  },
  {
    name: "tasks",
    open: async (page) => {
      await page.goto("/tasks");
      await page.getByRole("row").nth(1).waitFor();
    },
  },
  {
    name: "tasks-none",
    open: async (page) => {
      await page.goto("/tasks?q=nothing-is-called-this");
      await page.getByText("No task matches.").waitFor();
    },
  },
  {
    name: "task",
    open: async (page) => {
      await page.goto("/tasks");
      await page.getByRole("row").nth(1).getByRole("link").first().click();
      await page.getByRole("heading", { name: "To come" }).waitFor();
    },
  },
  {
    name: "task-new",
    open: async (page) => {
      await page.goto("/tasks/new");
      await page.getByRole("textbox", { name: "Question" }).waitFor();
      await page.getByRole("region", { name: "Next deliveries" }).getByText(" to ").first().waitFor();
      await page.getByText("Rights are looked at again", { exact: false }).waitFor();
    },
  },
  {
    name: "task-refused",
    open: async (page) => {
      await page.goto("/tasks/new");
      await page.getByRole("textbox", { name: "Question" }).waitFor();
      await page.getByRole("button", { name: "Save task" }).click();
      await page.getByText("Give the task a title.").waitFor();
    },
  },
  {
    name: "task-condition",
    open: async (page) => {
      await page.goto("/tasks/new");
      await page.getByRole("textbox", { name: "Question" }).waitFor();
      await page.getByText("On a condition").click();
      await page.getByLabel("What must hold").selectOption("percent_change");
      await page.getByLabel("Per cent").fill("a lot");
      await page.getByRole("button", { name: "More" }).click();
      await page.getByLabel("Column of the value").waitFor();
      await page.getByText("Once the data is fresh").click();
      await page.getByText("Data that is waited for").waitFor();
      await page.getByRole("button", { name: "Save task" }).click();
      await page.getByText("Write a number of per cent, more than 0.").waitFor();
    },
  },
  {
    name: "threads",
    open: async (page) => {
      await page.goto("/threads");
      await page.getByRole("main").getByRole("listitem").first().waitFor();
      await page.getByRole("textbox", { name: "Ask a question" }).waitFor();
    },
  },
  { name: "thread", open: openLatestThread },
  {
    name: "figure",
    open: async (page) => {
      await openLatestThread(page);
      await page.getByTestId("answer-1").getByRole("heading", { level: 2 }).getByRole("button").first().click();
      await page.getByRole("dialog").locator("mark").first().waitFor();
    },
  },
  {
    name: "share",
    open: async (page) => {
      await openLatestThread(page);
      await page.getByRole("button", { name: "Share" }).click();
      await page.getByLabel("Everybody in the workspace").waitFor();
    },
  },
  {
    name: "data",
    open: async (page) => {
      await page.goto("/data");
      await page.getByRole("main").getByRole("listitem").first().waitFor();
    },
  },
  {
    name: "connection",
    open: async (page) => {
      await page.goto("/data");
      await page.getByRole("main").getByRole("listitem").getByRole("link").first().click();
      await page.getByRole("main").getByRole("listitem").getByRole("button", { expanded: false }).first().click();
      await page.getByRole("cell").first().waitFor();
      await page.getByLabel("Grant to someone").waitFor();
    },
  },
  {
    name: "freshness",
    open: async (page) => {
      await page.goto("/data");
      await page.getByRole("main").getByRole("listitem").getByRole("link").first().click();
      await page.getByRole("button", { name: /^(Set a check|Change)$/ }).click();
      await page.getByRole("dialog").getByLabel("Column").waitFor();
    },
  },
  ...["upload", "postgres", "files"].map((type) => ({
    name: `data-new-${type}`,
    open: async (page: Page) => {
      await page.goto(`/data/new?type=${type}`);
      await page.getByRole("textbox", { name: "Name" }).waitFor();
    },
  })),
  {
    name: "mail",
    open: async (page) => {
      await page.goto("/outbox");
      await page.getByRole("navigation", { name: "Mails" }).getByRole("link").first().click();
      await page.getByTitle(/^Message: /).waitFor();
    },
  },
  {
    name: "settings",
    open: async (page) => {
      await page.goto("/settings");
      await page.getByLabel("By email").waitFor();
      await page.getByRole("button", { name: "New token" }).waitFor();
      await page.getByLabel("Runs at once").waitFor();
    },
  },
  {
    name: "palette",
    open: async (page) => {
      await page.goto("/tasks");
      await page.getByRole("heading", { name: "Tasks" }).waitFor();
      await page.keyboard.press("Control+k");
      await page.getByRole("option").first().waitFor();
    },
  },
  {
    name: "not-found",
    open: async (page) => {
      await page.goto("/threads/019396f0-0000-7000-8000-000000000000");
      await page.getByRole("heading", { name: "Not found" }).waitFor();
    },
  },
];

function windowOf(width: number) {
  const isNarrow = width < 600;
  return { viewport: viewportOf(width), hasTouch: isNarrow, isMobile: isNarrow };
}

describe.each(WIDTHS)("at %i px", (width) => {
  it.each(SCREENS)("$name is accessible, light and dark, and fits", async ({ name, open }) => {
    const context = await newContext(browser, { storageState: state, ...windowOf(width) });
    try {
      const page = await context.newPage();
      const heard = complaints(page);
      await open(page);
      await judge(page, name, width);
      expect(heard).toEqual([]);
    } finally {
      await context.close();
    }
  });

  it("the sign-in is accessible, light and dark, and fits", async () => {
    const context = await newContext(browser, windowOf(width));
    try {
      const page = await context.newPage();
      await page.goto("/tasks");
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      await judge(page, "sign-in", width);
    } finally {
      await context.close();
    }
  });
});
