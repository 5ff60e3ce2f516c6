/** A browser and its pages. What a page complains of in its console fails the story. */

import { existsSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { expect, inject } from "vitest";

import { PERSON } from "./binary";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** How much later every request to the API goes out, in ms: `SLOWER_BY=500 npm run e2e` shows which step does not wait for what it needs. */
const SLOWER_BY = Number(process.env.SLOWER_BY ?? 0);

export async function launch(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
  if (!executablePath) throw new Error("No Chromium is installed; `make test` installs it.");
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A window of its own: nobody is signed in. */
export async function newContext(browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({
    baseURL: inject("baseUrl"),
    viewport: { width: 1280, height: 900 },
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(20_000);
  if (SLOWER_BY > 0) {
    await context.route("**/api/v1/**", async (route) => {
      await setTimeout(SLOWER_BY);
      await route.fallback();
    });
  }
  return context;
}

/** Does what the page shows before the server has it, and waits until it does. */
export async function saved(page: Page, path: string, act: () => Promise<unknown>): Promise<void> {
  const answer = page.waitForResponse((one) => one.request().method() === "PUT" && one.url().endsWith(path));
  await act();
  expect((await answer).status()).toBe(200);
}

/** What a page said in its console that it should not have. */
export function complaints(page: Page): string[] {
  const heard: string[] = [];
  page.on("pageerror", (error) => heard.push(error.message));
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    // A refusal that the page deals with: not signed in, wrong password.
    if (/status of 4\d\d/.test(message.text())) return;
    heard.push(message.text());
  });
  return heard;
}

/** Signs in by password, from wherever the page sent us to sign in. */
export async function signIn(page: Page): Promise<void> {
  await page.getByLabel("Email").fill(PERSON.email);
  await page.getByLabel("Password").fill(PERSON.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Main" }).waitFor();
}
