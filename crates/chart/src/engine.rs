//! Vega and Vega-Lite in QuickJS: a fresh engine for each call, without `eval`, with a time limit and a memory cap.

use std::{
    cell::Cell,
    rc::Rc,
    sync::OnceLock,
    time::{Duration, Instant},
};

use rquickjs::{
    CatchResultExt, CaughtError, Context, Ctx, Function, Module, Promise, Runtime, WriteOptions,
    context::intrinsic,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{error::Error, font};

const BUNDLE: &str = include_str!("../generated/engine.mjs");
const STACK_BYTES: usize = 1 << 20;

/// Everything that Vega needs of the language, and no `eval` or `Function`.
type Intrinsics = (
    intrinsic::Date,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
    intrinsic::WeakRef,
);

/// What a call may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Processor time of the script, so that a busy machine fails no chart. In wall time it may take four times that.
    pub(crate) time: Duration,
    /// Memory of the engine, in bytes.
    pub(crate) memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(3), memory: 256 << 20 }
    }
}

/// Sizes for the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Layout {
    /// Width of the whole picture, in pixels.
    pub(crate) width: u32,
    /// Height of the whole picture, of each cell where there are `columns`; in pixels.
    pub(crate) height: u32,
    /// How many cells stand side by side in a faceted chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) columns: Option<usize>,
}

/// A picture.
#[derive(Debug, Deserialize)]
pub(crate) struct Drawn {
    pub(crate) svg: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// How many items were drawn from data.
    pub(crate) marks: u64,
}

/// A compiled chart and its picture.
#[derive(Debug, Deserialize)]
pub(crate) struct Compiled {
    pub(crate) vega: Value,
    #[serde(flatten)]
    pub(crate) drawn: Drawn,
}

/// Compiles Vega-Lite with data to Vega under the theme, and draws it.
pub(crate) fn prepare(vega_lite: &Value, layout: Layout, limits: Limits) -> Result<Compiled, Error> {
    let options = serde_json::to_string(&layout).map_err(|failure| engine_error(&failure))?;
    call("prepareChart", (vega_lite.to_string(), options), limits)
}

/// Draws Vega.
pub(crate) fn draw(vega: &Value, limits: Limits) -> Result<Drawn, Error> {
    call("drawChart", (vega.to_string(),), limits)
}

fn engine_error(failure: &dyn std::fmt::Display) -> Error {
    Error::Engine { message: failure.to_string() }
}

/// Why the script was stopped, as far as the host knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    Time,
}

fn call<T, A>(function: &str, arguments: A, limits: Limits) -> Result<T, Error>
where
    T: for<'de> Deserialize<'de>,
    A: for<'js> rquickjs::function::IntoArgs<'js>,
{
    let bytecode = bytecode()?;
    let runtime = Runtime::new().map_err(|failure| engine_error(&failure))?;
    runtime.set_max_stack_size(STACK_BYTES);
    runtime.set_memory_limit(limits.memory);
    let stop = Rc::new(Cell::new(Stop::No));
    let seen = Rc::clone(&stop);
    let (started, worked) = (Instant::now(), processor_time());
    runtime.set_interrupt_handler(Some(Box::new(move || {
        let is_late =
            processor_time().saturating_sub(worked) > limits.time || started.elapsed() > 4 * limits.time;
        if is_late {
            seen.set(Stop::Time);
        }
        is_late
    })));
    let context = Context::custom::<Intrinsics>(&runtime).map_err(|failure| engine_error(&failure))?;
    let outcome = context.with(|context| -> Result<String, String> {
        load(&context, bytecode)?;
        let called = context
            .globals()
            .get::<_, Function>(function)
            .and_then(|function| function.call::<_, Promise>(arguments))
            .catch(&context);
        let promise = called.map_err(|caught| describe(&caught))?;
        promise.finish::<String>().catch(&context).map_err(|caught| describe(&caught))
    });
    match outcome {
        Ok(json) => serde_json::from_str(&json).map_err(|failure| engine_error(&failure)),
        Err(_) if stop.get() == Stop::Time => Err(Error::TooExpensive { limit: "3 seconds" }),
        Err(message) if message.contains("out of memory") || is_nearly_full(&runtime, limits) => {
            Err(Error::TooExpensive { limit: "256 MB" })
        }
        Err(message) => Err(Error::Engine { message }),
    }
}

/// How long this thread has worked.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Vega reports an allocation that failed in words of its own, if at all.
fn is_nearly_full(runtime: &Runtime, limits: Limits) -> bool {
    let used = usize::try_from(runtime.memory_usage().malloc_size).unwrap_or(0);
    used > limits.memory / 10 * 9
}

fn describe(caught: &CaughtError<'_>) -> String {
    match caught {
        CaughtError::Exception(exception) => exception.message().unwrap_or_else(|| "an exception".to_owned()),
        CaughtError::Value(_) | CaughtError::Error(_) => caught.to_string(),
    }
}

/// Defines the bundle's functions in a context.
#[expect(
    unsafe_code,
    reason = "the bytecode was written by this very engine in this very process, from our own bundle"
)]
fn load(context: &Ctx<'_>, bytecode: &[u8]) -> Result<(), String> {
    let measure = Function::new(context.clone(), |weight: f64, text: String| font::width_ems(weight, &text));
    measure
        .and_then(|measure| context.globals().set("measureEms", measure))
        .catch(context)
        .map_err(|caught| describe(&caught))?;
    // SAFETY: `Module::load` trusts its bytes. These come from `compile` below, in this process, by the same QuickJS.
    let module = unsafe { Module::load(context.clone(), bytecode) };
    let (_, loaded) = module.and_then(Module::eval).catch(context).map_err(|caught| describe(&caught))?;
    loaded.finish::<()>().catch(context).map_err(|caught| describe(&caught))
}

/// The bundle as bytecode, compiled at first use: parsing 800 KB for each chart would take longer than drawing it.
fn bytecode() -> Result<&'static [u8], Error> {
    static BYTECODE: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let compiled = BYTECODE.get_or_init(|| compile().map_err(|failure| failure.to_string()));
    compiled.as_deref().map_err(|message| Error::Engine { message: message.clone() })
}

fn compile() -> Result<Vec<u8>, rquickjs::Error> {
    let runtime = Runtime::new()?;
    runtime.set_max_stack_size(STACK_BYTES);
    let context = Context::full(&runtime)?;
    context.with(|context| {
        let module = Module::declare(context, "engine", BUNDLE)?;
        module.write(WriteOptions { strip_source: true, ..WriteOptions::default() })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A Vega spec that computes a number by an expression and draws it.
    fn computing(expression: &str) -> Value {
        json!({
            "width": 100, "height": 100,
            "data": [{"name": "d", "values": [{"a": 1}], "transform": [{"type": "formula", "as": "b", "expr": expression}]}],
            "marks": [{"type": "text", "from": {"data": "d"}, "encode": {"enter": {"text": {"field": "b"}}}}],
        })
    }

    #[test]
    fn a_script_that_takes_too_long_is_stopped() {
        let limits = Limits { time: Duration::from_millis(300), ..Limits::default() };
        let started = Instant::now();
        let spec = computing("test(regexp('^(a+)+$'), 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')");
        let failure = draw(&spec, limits).expect_err("it never ends");
        assert!(matches!(failure, Error::TooExpensive { limit: "3 seconds" }), "{failure}");
        // Without the limit it would take years; how late it is noticed depends on what else the machine does.
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }

    #[test]
    fn a_script_that_takes_too_much_memory_is_stopped() {
        let limits = Limits { memory: 32 << 20, time: Duration::from_secs(20) };
        let failure =
            draw(&computing("length(sequence(0, 100000000))"), limits).expect_err("there is no room");
        assert!(matches!(failure, Error::TooExpensive { limit: "256 MB" }), "{failure}");
    }

    #[test]
    fn nothing_of_the_language_is_reachable_that_could_compile_code() {
        for expression in [
            "datum.constructor.constructor('return 1')()",
            "datum['constructor']['constructor']('return 1')()",
        ] {
            assert!(draw(&computing(expression), Limits::default()).is_err(), "{expression}");
        }
    }

    #[test]
    fn nothing_is_loaded_and_the_failure_is_told() {
        let spec = json!({
            "width": 100, "height": 100, "data": [{"name": "d", "url": "file:///etc/passwd"}],
            "marks": [{"type": "symbol", "from": {"data": "d"}}],
        });
        let failure = draw(&spec, Limits::default()).expect_err("no loading");
        assert!(failure.to_string().contains("not allowed"), "{failure}");
        let picture = json!({
            "width": 100, "height": 100, "data": [{"name": "d", "values": [{}]}],
            "marks": [{"type": "image", "from": {"data": "d"}, "encode": {"enter": {"url": {"value": "file:///etc/passwd"}}}}],
        });
        let drawn = draw(&picture, Limits::default()).map(|drawn| drawn.svg);
        assert!(drawn.as_ref().map_or(true, |svg| !svg.contains("passwd")), "{drawn:?}");
    }
}
