//! The store against a real PostgreSQL, under its real roles and policies.

mod connections;
mod deactivation;
mod deliveries;
mod events;
mod idempotency;
mod people;
mod sign_in;
mod tasks;
mod tenancy;
mod threads;
