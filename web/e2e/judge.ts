/** Looks at what is open: a picture of each colour scheme, no complaint of axe, nothing wider than the window. */

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { expect } from "vitest";

const SHOTS = fileURLToPath(new URL("../screenshots/", import.meta.url));

const SCHEMES = ["light", "dark"] as const;

export const WIDTHS = [1280, 390];

/** How high a window of a width is. */
export function viewportOf(width: number): { width: number; height: number } {
  return { width, height: width < 600 ? 844 : 900 };
}

export async function judge(page: Page, name: string, width: number): Promise<void> {
  await mkdir(SHOTS, { recursive: true });
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: `${SHOTS}${name}-${colorScheme}-${width}.png`, fullPage: true });
    // The message of a mail is not ours to judge here, and its frame runs no scripts.
    const { violations } = await new AxeBuilder({ page }).exclude("iframe").analyze();
    expect(
      violations.map(({ id, nodes }) => `${colorScheme} ${id}: ${nodes.map(({ html }) => html).join(" ")}`),
    ).toEqual([]);
  }
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
}
