// What a reader's browser does with pages and mails: what they ask for outside, where they lead, what they run.
// Called with a file that holds the job; prints what it saw. No page reaches anything but the server that is tested.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [packages, file] = process.argv.slice(2);
const { chromium } = createRequire(packages)("playwright-core");
const job = JSON.parse(readFileSync(file, "utf8"));
const executablePath = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((place) => existsSync(place));
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
});
const home = new URL(job.base).origin;

/** Everything in a document that leads, loads or runs. */
function inspect() {
  const all = (selector) => [...document.querySelectorAll(selector)];
  return {
    links: all("a, area, [href]").filter((element) => element.localName !== "link").map((element) => String(element.href?.baseVal ?? element.href ?? element.getAttribute("href") ?? "")).filter(Boolean),
    loads: all("img, source, video, audio, iframe, object, embed, image, use, input[src]").map((element) => element.currentSrc || element.src || element.data || element.getAttribute("href") || element.getAttribute("xlink:href") || "").filter(Boolean),
    forms: all("form").map((element) => element.getAttribute("action") ?? "").filter(Boolean),
    handlers: all("*").flatMap((element) => [...element.attributes].filter(({ name }) => name.startsWith("on")).map(({ name }) => `${element.localName} ${name}`)),
    scripts: all("script").map((element) => element.src || "inline"),
    refreshes: all("meta[http-equiv=refresh], base").length,
    text: document.body.innerText,
  };
}

async function look(open, context) {
  const page = await context.newPage();
  const outside = [];
  const happened = [];
  page.on("dialog", (dialog) => {
    happened.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("popup", () => happened.push("popup"));
  page.on("download", () => happened.push("download"));
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (!["data:", "blob:", "cid:"].includes(protocol) && origin !== home) outside.push(request.url());
  });
  await page.route((url) => url.origin !== home, (route) => route.abort());
  try {
    await open(page);
    return { outside, happened, ...(await page.evaluate(inspect)) };
  } finally {
    await page.close();
  }
}

const seen = { pages: [], mails: [] };
for (const { id, url, token, png } of job.pages) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await context.route(`${home}/api/**`, (route) => route.continue({ headers: { ...route.request().headers(), authorization: `Bearer ${token}` } }));
  const open = async (page) => {
    await page.goto(url);
    await page.locator("[data-testid^=answer-]").first().waitFor({ timeout: 60_000 });
    // A page that follows a thread live is never idle.
    await page.waitForLoadState("networkidle", { timeout: 5_000 }).catch(() => undefined);
    if (png) await page.screenshot({ path: png, fullPage: true });
  };
  seen.pages.push({ id, ...(await look(open, context)) });
  await context.close();
}
const context = await browser.newContext();
for (const { id, html } of job.mails) {
  seen.mails.push({ id, ...(await look((page) => page.setContent(html, { waitUntil: "load" }), context)) });
}
await browser.close();
console.log(JSON.stringify(seen));
