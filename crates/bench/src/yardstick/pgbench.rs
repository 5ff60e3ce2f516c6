//! pgbench, PostgreSQL's own bench.
