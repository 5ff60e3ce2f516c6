//! `make torture`: promises tested by attacking the real thing. Real processes of the real binary, a PostgreSQL that is killed
//! too, a mail server and a model whose own logs are the effects that are checked. Nothing here reads Tidings' tables.
//!
//! Each row of the table in `docs/torture.md` is one test in one file. In `cargo test` a row runs in its short form; with
//! `TORTURE=full` at its full size. Each prints one line: what was promised, what was done, what was seen.
#![cfg(target_os = "linux")]

mod checker;
mod fair;
mod g10_forgeries;
mod g11_email;
mod g12_idempotency;
mod g15_hostile;
mod g1_one_run;
mod g21_deactivation;
mod g25_endurance;
mod g2_window;
mod g4_fencing;
mod g5_clocks;
mod g6_resume;
mod g7_slack;
mod g8_limits;
mod g9_events;
mod report;
mod stage;
