//! The store against a real PostgreSQL, under its real roles and policies.

mod audience_batch;
mod checks;
mod connection_slots;
mod connections;
mod credits;
mod deactivation;
mod dead_addresses;
mod deliveries;
mod delivery_attempts;
mod delivery_claims;
mod delivery_repeats;
mod destinations;
mod due_start;
mod ends;
mod events;
mod handover;
mod idempotency;
mod pauses;
mod people;
mod sign_in;
mod slack;
mod tasks;
mod tenancy;
mod threads;
mod transactions;
mod webhooks;
