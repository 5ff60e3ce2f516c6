import { describe, expect, it, vi } from "vitest";

import { PERSON } from "./binary";
import { saved, signIn } from "./browser";
import { judgeAtWidths, openWindow, page } from "./story";

const TITLE = "Orders by plan, proven";

openWindow();

/** One story in steps: each begins where the one before it ended. */
describe("who sees what, and the proof of it", () => {
  it("tells in the editor who will see what, a group opened", async () => {
    await page.goto("/tasks/new");
    await signIn(page);
    await page.getByLabel("Title").fill(TITLE);
    const question = page.getByRole("textbox", { name: "Question" });
    await question.click();
    await question.pressSequentially("How many signups were there last month in @Lumen");
    await page.getByRole("listbox", { name: "Data to mention" }).waitFor();
    await question.press("Enter");
    await question.pressSequentially("?");
    // The picker says of each how they are told, before anybody is chosen.
    const people = page.getByRole("combobox", { name: "People" });
    await people.click();
    await page.getByRole("option", { name: PERSON.name }).getByText("By email").waitFor();
    await people.press("Escape");
    const told = page.getByRole("region", { name: "Who will see what" });
    await told.getByText("The task is theirs.").waitFor();
    await told.getByText(/^Counted for Lumen Desk sales\./).waitFor();
    await page.getByText("Slack is not connected to this workspace.").waitFor();
    await judgeAtWidths("editor-audience");
    await page.getByRole("button", { name: "Save task" }).click();
    await page.getByRole("heading", { name: TITLE }).waitFor();
  });

  it("tightens the connection's rule and the workspace's policy", async () => {
    await page.goto("/data");
    await page.getByRole("link", { name: "Lumen Desk sales" }).click();
    const members = page.getByLabel("Members who may not view its results see");
    await saved(page, "/audience", () => members.selectOption("link_only"));
    await page.reload();
    await members.waitFor();
    expect(await members.inputValue()).toBe("link_only");
    await judgeAtWidths("connection-audience");
    await page.goto("/settings");
    const outsiders = page.getByLabel("Guests and people outside");
    await outsiders.selectOption("withheld");
    // It is saved at once, and leaving in the same moment loses nothing.
    await page.goto("/tasks");
    await vi.waitFor(async () => {
      const policy = await page.request.get("/api/v1/workspace/audience");
      expect(await policy.json()).toMatchObject({ outsiders: "withheld" });
    }, 10_000);
    await page.goto("/settings");
    await outsiders.waitFor();
    expect(await outsiders.inputValue()).toBe("withheld");
    await judgeAtWidths("settings-audience");
  });

  it("leads from the answer and from the Outbox to the proof of a delivery", async () => {
    await page.goto("/tasks");
    await page.getByRole("link", { name: TITLE, exact: true }).click();
    await page.getByRole("button", { name: "Run now" }).click();
    await page.waitForURL(/\/threads\//);
    await page.getByTestId("answer-1").waitFor({ timeout: 60_000 });
    await page
      .getByText(/^Messages:/)
      .getByRole("link")
      .click();
    await page.waitForURL(/\/deliveries\//);
    await page.goto("/outbox");
    await page
      .getByRole("link", { name: new RegExp(TITLE) })
      .first()
      .click();
    await page.getByRole("link", { name: "Delivery", exact: true }).click();
    await page.getByRole("heading", { name: new RegExp(`^To ${PERSON.name}`) }).waitFor();
    await page.getByText("The task’s creator.", { exact: false }).waitFor();
    await page.getByRole("list", { name: "Connections used" }).getByText("Lumen Desk sales").waitFor();
    await page.getByText("Members without rights: at most a link only").waitFor();
    await page.getByText(/^sha256 [0-9a-f]{64}$/).waitFor();
    await page.frameLocator("iframe").getByText(TITLE).first().waitFor();
    await judgeAtWidths("delivery");
  });

  it("sends it again, and says at whose request", async () => {
    const first = page.url();
    await page.getByRole("button", { name: "Send again" }).click();
    await page.waitForURL((url) => url.href !== first);
    await page.getByText(`at the request of ${PERSON.name}`).waitFor();
    // It goes through the same queue and the same look at the rights.
    await page.getByText(/^sha256 [0-9a-f]{64}$/).waitFor();
    await judgeAtWidths("delivery-again");
    await page.getByRole("link", { name: "an earlier delivery" }).click();
    await page.getByRole("link", { name: "by a later delivery" }).waitFor();
  });
});
