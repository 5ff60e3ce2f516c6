//! The engine worker: DuckDB in a process of its own, which answers one request and ends.
//!
//! A hostile file or statement can at worst crash or stall this process. It inherits no environment, may write to no
//! file (but a converter's target), is bounded in memory and processor time, and ends when its parent does.

mod convert;
mod describe;
mod engine;
mod process;
pub(crate) mod protocol;
mod query;

pub(crate) use process::Pool;

use std::io::{Read, Write};

use protocol::{Reply, Request};

use crate::Error;

const STACK_BYTES: usize = 64 << 20;

/// The life of an engine worker: one request from standard input, its answer on standard output, and the end of the
/// process. Never returns.
pub fn worker_main() -> ! {
    // DuckDB recurses over deep statements, and a test's thread has a small stack.
    let serving = std::thread::Builder::new().name("engine".to_owned()).stack_size(STACK_BYTES).spawn(|| {
        let mut output = std::io::stdout();
        match serve(&mut output) {
            Ok(()) => 0,
            Err(error) => i32::from(protocol::write_frame(&mut output, &Reply::Failed(error)).is_err()),
        }
    });
    let status = serving.map_or(4, |thread| thread.join().unwrap_or(5));
    // Not a return: DuckDB's threads, if any still run, need not be waited for.
    std::process::exit(status)
}

fn serve(output: &mut impl Write) -> Result<(), Error> {
    protocol::write_greeting(output)?;
    let request: Request = protocol::read_frame(&mut std::io::stdin().lock())?
        .ok_or_else(|| Error::Worker { message: "no request came".to_owned() })?;
    end_with_parent()?;
    engine::limit_process(&request)?;
    match request {
        Request::Query(request) => query::run(&request, output),
        Request::Catalog(request) => describe::catalog(&request, output),
        Request::Describe(request) => describe::describe(&request, output),
        Request::Convert(request) => convert::run(&request, output),
    }
}

/// The parent keeps our standard input open while it wants the answer: its end, by whatever death, is ours.
fn end_with_parent() -> Result<(), Error> {
    std::thread::Builder::new()
        .name("parent-watch".to_owned())
        .spawn(|| {
            let mut byte = [0_u8];
            // Any answer ends the wait: nothing is sent after the request, so it means that the pipe was closed.
            drop(std::io::stdin().read(&mut byte));
            std::process::exit(3);
        })
        .map(drop)
        .map_err(|error| Error::Worker { message: format!("a thread could not be started: {error}") })
}
