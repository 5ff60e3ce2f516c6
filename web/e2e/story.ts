/** A story that one person walks through in one window: each step begins where the one before it ended. */

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";

import { complaints, launch, newContext } from "./browser";
import { judge, viewportOf, WIDTHS } from "./judge";

export let browser: Browser;
/** The window. Nobody is signed in at first. */
export let page: Page;

/** Opens the window before the file's first step. A step whose page complains in its console fails. */
export function openWindow(): void {
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
}

/** Judges what is open at every width, and comes back to the first. */
export async function judgeAtWidths(name: string): Promise<void> {
  for (const width of [...WIDTHS].reverse()) {
    await page.setViewportSize(viewportOf(width));
    await judge(page, name, width);
  }
  await page.emulateMedia({ colorScheme: "light" });
}
