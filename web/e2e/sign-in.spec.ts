import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";

import { PERSON } from "./binary";
import { complaints, launch, newContext, signIn } from "./browser";

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

describe("signing in", () => {
  it("refuses a wrong password and says what to do", async () => {
    await page.goto("/");
    await page.getByLabel("Email").fill(PERSON.email);
    await page.getByLabel("Password").fill("wrong");
    await page.getByLabel("Password").press("Enter");
    await page.getByText("do not belong together").waitFor();
    expect(await page.getByLabel("Password").evaluate((input) => input === document.activeElement)).toBe(true);
  });

  it("says what is missing, at its field", async () => {
    await page.goto("/sign-in");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("Enter your email address.").waitFor();
    await page.getByText("Enter your password.").waitFor();
  });

  it("leads on to where one wanted to go", async () => {
    await page.goto("/tasks?status=paused&q=revenue");
    await signIn(page);
    expect(new URL(page.url()).pathname).toBe("/tasks");
    expect(new URL(page.url()).searchParams.get("status")).toBe("paused");
    expect(await page.getByLabel("Search tasks").inputValue()).toBe("revenue");
  });

  it("leads nowhere but to this page", async () => {
    await page.goto("/sign-in?next=//elsewhere.example/");
    await signIn(page);
    expect(page.url()).toBe(`${inject("baseUrl")}/tasks`);
  });

  it("ends when one signs out", async () => {
    await page.goto("/tasks");
    await signIn(page);
    await page.getByRole("button", { name: PERSON.name }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.goto("/threads");
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  });

  it("refuses a link that was never given", async () => {
    await page.goto("/sign-in#token=not-a-token");
    await page.getByText("was used already or has expired").waitFor();
    expect(new URL(page.url()).hash).toBe("");
  });
});
