-- The tables of eval/data/f1db for PostgreSQL, with the keys that a database of them has.
CREATE TABLE countries (country_id text PRIMARY KEY, name text NOT NULL, continent text NOT NULL);
CREATE TABLE circuits (
    circuit_id text PRIMARY KEY, name text NOT NULL, place text NOT NULL, country_id text NOT NULL REFERENCES countries,
    type text NOT NULL, length_km double precision NOT NULL, turns integer NOT NULL);
CREATE TABLE constructors (
    constructor_id text PRIMARY KEY, name text NOT NULL, country_id text NOT NULL REFERENCES countries);
CREATE TABLE drivers (
    driver_id text PRIMARY KEY, name text NOT NULL, date_of_birth date NOT NULL, country_id text NOT NULL REFERENCES countries);
CREATE TABLE races (
    race_id integer PRIMARY KEY, race_date date NOT NULL, season integer NOT NULL, round integer NOT NULL,
    grand_prix text NOT NULL, circuit_id text NOT NULL REFERENCES circuits, laps integer NOT NULL,
    distance_km double precision NOT NULL);
CREATE TABLE results (
    race_id integer NOT NULL REFERENCES races, driver_id text NOT NULL REFERENCES drivers,
    constructor_id text NOT NULL REFERENCES constructors, grid_position integer, finish_position integer,
    status text NOT NULL, points double precision NOT NULL, laps integer, reason_retired text);
CREATE TABLE pit_stops (
    race_id integer NOT NULL REFERENCES races, driver_id text NOT NULL REFERENCES drivers, stop_number integer NOT NULL,
    lap integer NOT NULL, duration_seconds double precision);
