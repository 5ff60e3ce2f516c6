/** Starts the real binary on a free port with a data folder of its own, and stops it when all stories are told. */

import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

import type { TestProject } from "vitest/node";

/** An administrator who signs in by password. */
export const PERSON = { email: "robin@tidings.local", name: "Robin", password: "a lantern over the harbour" };

declare module "vitest" {
  interface ProvidedContext {
    baseUrl: string;
    /** Signs the demo user in, once. */
    signInUrl: string;
    /** Where a stand-in for Slack takes orders. */
    slackControlUrl: string;
  }
}

const BUILT = join(process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url)), "debug");
const BINARY = process.env.TIDINGS_BINARY ?? join(BUILT, "tidings");
const FAKE_SLACK = join(BUILT, "fake-slack");
const START_MS = 180_000;

type Tidings = ChildProcessByStdio<Writable, Readable, Readable>;

export default async function start(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "tidings-e2e-"));
  // PostgreSQL refuses to run as root: it runs as another user, who must get to its data.
  await chmod(folder, 0o755);
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const slack = await startSlack();
  const environment = {
    ...withoutSettings(process.env),
    TIDINGS_SLACK_BASE_URL: slack.baseUrl,
    TIDINGS_SLACK_CLIENT_ID: slack.clientId,
    TIDINGS_SLACK_CLIENT_SECRET: slack.clientSecret,
    TIDINGS_SLACK_SIGNING_SECRET: slack.signingSecret,
    TIDINGS_DATA_DIR: join(folder, "data"),
    TIDINGS_LISTEN: `127.0.0.1:${port}`,
    TIDINGS_PUBLIC_URL: baseUrl,
  };
  const tidings = run(["up"], environment);
  const log: string[] = [];
  createInterface({ input: tidings.stderr }).on("line", (line) => log.push(line));

  const stop = async () => {
    if (tidings.exitCode === null) {
      const ended = once(tidings, "exit");
      tidings.kill("SIGTERM");
      await ended;
    }
    slack.process.stdin.end();
    await rm(folder, { recursive: true, force: true });
  };

  try {
    project.provide("signInUrl", await signInUrl(tidings));
    project.provide("baseUrl", baseUrl);
    project.provide("slackControlUrl", new URL("/control", slack.baseUrl).href);
    await createPerson(environment);
  } catch (error) {
    await stop();
    throw new Error(`The binary did not start.\n${log.slice(-40).join("\n")}`, { cause: error });
  }
  return stop;
}

interface FakeSlack {
  process: Tidings;
  baseUrl: string;
  clientId: string;
  clientSecret: string;
  signingSecret: string;
}

/** A Slack of our own, which ends with its input. */
async function startSlack(): Promise<FakeSlack> {
  const process = spawn(FAKE_SLACK, [], { stdio: ["pipe", "pipe", "pipe"] });
  process.stderr.resume();
  for await (const line of createInterface({ input: process.stdout })) {
    process.stdout.resume();
    return { process, ...(JSON.parse(line) as Omit<FakeSlack, "process">) };
  }
  throw new Error("the stand-in for Slack did not start");
}

function run(args: string[], env: NodeJS.ProcessEnv): Tidings {
  return spawn(BINARY, args, { env, stdio: ["pipe", "pipe", "pipe"] });
}

/** What a developer has set for their own server is not for this one. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isSetting = (name: string) => /^(TIDINGS_|DATABASE_URL|OPENAI_)/.test(name);
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isSetting(name)));
}

async function signInUrl(tidings: Tidings): Promise<string> {
  const timer = setTimeout(() => tidings.kill("SIGTERM"), START_MS);
  try {
    for await (const line of createInterface({ input: tidings.stdout })) {
      const match = /^Sign in: (\S+)$/.exec(line);
      if (match?.[1]) {
        // Whatever else it prints must not fill the pipe.
        tidings.stdout.resume();
        return match[1];
      }
    }
  } finally {
    clearTimeout(timer);
  }
  throw new Error("it ended without printing a sign-in link");
}

async function createPerson(environment: NodeJS.ProcessEnv): Promise<void> {
  const { email, name, password } = PERSON;
  const creation = run(
    [
      "user",
      "create",
      "--email",
      email,
      "--name",
      name,
      "--role",
      "admin",
      "--timezone",
      "Europe/Berlin",
      "--password-stdin",
    ],
    environment,
  );
  const said: string[] = [];
  creation.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  creation.stdout.resume();
  creation.stdin.end(password);
  const [code] = (await once(creation, "exit")) as [number | null];
  if (code !== 0) throw new Error(`tidings user create: ${said.join("")}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
