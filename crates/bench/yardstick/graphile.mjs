// Drains a queue of graphile-worker's at its best settings, and prints how long that took.
//
// Standard input: {"url", "payloads": SQL whose rows are job payloads, "record": SQL that a handler runs or null, "connections"}.
// Standard output: {"jobs", "seconds"}.
import { Logger, makeWorkerUtils, runOnce } from "graphile-worker";
import pg from "pg";
import { text } from "node:stream/consumers";

const { url, payloads, record, connections } = JSON.parse(await text(process.stdin));
const pool = new pg.Pool({ connectionString: url, max: connections });
// A connection that the server closes is replaced; what ran on it fails for itself.
const tell = (error) => console.error(error.message);
pool.on("error", tell);
pool.on("connect", (client) => client.on("error", tell));
const quiet = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

const utils = await makeWorkerUtils({ pgPool: pool, logger: quiet });
await utils.migrate();
const added = await pool.query(
  `SELECT count(*)::int AS jobs FROM graphile_worker.add_jobs((
     SELECT array_agg(json_populate_record(NULL::graphile_worker.job_spec,
       json_build_object('identifier', 'work', 'payload', payload))) FROM (${payloads}) AS jobs (payload)))`,
);
const { jobs } = added.rows[0];
await pool.query("VACUUM (ANALYZE) graphile_worker._private_jobs");
await pool.query("CHECKPOINT");

let done = 0;
const work =
  record === null
    ? async () => {
        done += 1;
      }
    : async ({ workspaceId, taskId }, { query }) => {
        const { rowCount } = await query({ name: "record", text: record, values: [workspaceId, taskId] });
        if (rowCount !== 1) throw new Error(`${rowCount} messages were written`);
        done += 1;
      };
const started = performance.now();
await runOnce({
  pgPool: pool,
  logger: quiet,
  noHandleSignals: true,
  taskList: { work },
  preset: {
    worker: {
      concurrentJobs: 100,
      localQueue: { size: 5000 },
      // Tried with empty jobs: 0 had the fastest drain; 10 and 250 ms take about as much processor time; off (-1)
      // is far slower.
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      preparedStatements: true,
    },
  },
});
const seconds = (performance.now() - started) / 1000;
const { rows } = await pool.query("SELECT count(*)::int AS jobs FROM graphile_worker._private_jobs");
if (done !== jobs || rows[0].jobs !== 0) throw new Error(`${done} of ${jobs} jobs ran, ${rows[0].jobs} were left`);
console.log(JSON.stringify({ jobs, seconds }));
await utils.release();
await pool.end();
