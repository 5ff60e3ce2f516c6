import { describe, expect, it } from "vitest";

import { PERSON } from "./binary";
import { signIn } from "./browser";
import { viewportOf } from "./judge";
import { judgeAtWidths, openWindow, page } from "./story";

openWindow();

const capsOf = (name: string) => page.getByRole("form", { name: `Caps: ${name}` });

/** One story in steps: each begins where the one before it ended. */
describe("caps and models", () => {
  it("are set for the workspace and for a person, and refused where they are no numbers", async () => {
    await page.goto("/admin/caps");
    await signIn(page);
    await page.getByText("Nobody has caps of their own.").waitFor();
    await capsOf("workspace").getByLabel("Credits a run").fill("a lot");
    await page.getByText(/Write a number of credits/).waitFor();
    await judgeAtWidths("caps-refused");
    await capsOf("workspace").getByLabel("Credits a run").fill("0.5");
    await capsOf("workspace").getByLabel("Credits a month").fill("1,200");
    await capsOf("workspace").getByRole("button", { name: "Save" }).click();
    await page.getByText("0 credits used this month, 0% of the cap").waitFor();
    await page.getByLabel("Cap for another person").click();
    await page.getByRole("option", { name: PERSON.name }).click();
    await capsOf("the person").getByLabel("Credits a month").fill("20");
    await capsOf("the person").getByRole("button", { name: "Save" }).click();
    await capsOf(PERSON.name).waitFor();
    await page.reload();
    await capsOf(PERSON.name).waitFor();
    expect(await capsOf("workspace").getByLabel("Credits a month").inputValue()).toBe("1200");
    expect(await capsOf(PERSON.name).getByLabel("Credits a month").inputValue()).toBe("20");
  });

  it("show what is used, and that a cap is near", async () => {
    // The analyst of this server costs nothing: these are the figures of one whose model has a price.
    const user = (number: number, name: string) => ({ id: `019396f0-0000-7000-8000-00000000000${number}`, name });
    await page.route(/\/credits\/caps$/, (route) =>
      route.fulfill({
        json: {
          areHeld: true,
          workspace: { caps: { perRun: 0.5, perMonth: 1200 }, usedThisMonth: 1_012.5 },
          users: [
            { user: user(1, "Kim Larsen"), caps: { perRun: null, perMonth: 20 }, usedThisMonth: 20.1 },
            {
              user: user(2, "Sales desk of Northwind Travel and Freight"),
              caps: { perRun: 0.05, perMonth: null },
              usedThisMonth: 3.25,
            },
          ],
        },
      }),
    );
    await page.reload();
    await page.getByText("84% of the cap").waitFor();
    await judgeAtWidths("caps");
    await page.unroute(/\/credits\/caps$/);
  });

  it("tell in a task's editor what it will cost", async () => {
    await page.route(/\/credits\/estimate$/, (route) =>
      route.fulfill({ json: { perRun: 0.0475, perMonth: 1.045, runsPerMonth: 22, basis: "plan" } }),
    );
    await page.goto("/tasks/new");
    await page
      .getByRole("textbox", { name: "Question" })
      .fill("Revenue of last week by region, compared with the week before?");
    await page.getByText("About 0.048 credits a run, 1 a month").waitFor();
    await page.getByLabel("Credits a month").fill("-4");
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByText(/Write a number of credits/).waitFor();
    await judgeAtWidths("task-cost");
    await page.unroute(/\/credits\/estimate$/);
    await page.goto("about:blank");
  });

  it("do not hold for a model of the workspace's own", async () => {
    await page.setViewportSize(viewportOf(1280));
    await page.goto("/admin/model");
    await page.getByRole("button", { name: "Answer with it" }).click();
    await page.getByText("Name the model, as its provider does.").waitFor();
    await page.getByLabel("Model", { exact: true }).fill("gpt-5");
    await page.getByLabel("Address").fill("http://10.0.0.7/v1");
    await page.getByLabel("Key").fill("sk-canary");
    await page.getByRole("button", { name: "Answer with it" }).click();
    await page.getByText(/https/).nth(1).waitFor();
    await judgeAtWidths("model-refused");
    await page.setViewportSize(viewportOf(1280));
    await page.getByLabel("Address").fill("https://models.example.com/v1");
    await page.getByRole("button", { name: "Answer with it" }).click();
    await page.getByText("Questions are answered by the workspace's own model").waitFor();
    await page.goto("/admin/caps");
    await page.getByText(/no cap holds/).waitFor();
    await page.goto("/admin/model");
    await page.getByRole("button", { name: "Use the server's" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Use the server's" }).click();
    await page.getByText("Questions are answered by the server's model").waitFor();
    await page.goto("/admin/caps");
    for (const name of ["workspace", PERSON.name]) {
      await capsOf(name).getByLabel("Credits a run").fill("");
      await capsOf(name).getByLabel("Credits a month").fill("");
      await capsOf(name).getByRole("button", { name: "Save" }).click();
      await page.getByText("Saved.", { exact: true }).first().waitFor();
    }
  });
});
