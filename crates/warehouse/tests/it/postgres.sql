CREATE TABLE airlines (carrier text PRIMARY KEY, name text NOT NULL);
CREATE TABLE airports (
    faa text PRIMARY KEY, name text, lat double precision, lon double precision, alt integer, tz integer, dst text,
    tzone text);
CREATE TABLE planes (
    tailnum text PRIMARY KEY, year integer, type text, manufacturer text, model text, engines integer, seats integer,
    speed integer, engine text);
CREATE TABLE flights (
    year integer, month integer, day integer, dep_time integer, sched_dep_time integer, dep_delay integer,
    arr_time integer, sched_arr_time integer, arr_delay integer, carrier text REFERENCES airlines, flight integer,
    tailnum text, origin text REFERENCES airports, dest text, air_time integer, distance integer, hour integer,
    minute integer, time_hour timestamptz);
CREATE TABLE weather (
    origin text, year integer, month integer, day integer, hour integer, temp double precision,
    dewp double precision, humid double precision, wind_dir integer, wind_speed double precision,
    wind_gust double precision, precip double precision, pressure double precision, visib double precision,
    time_hour timestamptz);
COMMENT ON TABLE flights IS 'All flights that left New York City in 2013';
COMMENT ON COLUMN flights.dep_delay IS 'Minutes late at departure; negative is early';

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (first integer, second text);
CREATE DOMAIN positive AS integer CHECK (value > 0);
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."Order" ("select" integer PRIMARY KEY, "Quoted ""Name""" text, feeling mood);
INSERT INTO "Odd Schema"."Order" VALUES (1, 'first', 'happy'), (2, NULL, 'sad');
CREATE VIEW on_time AS SELECT * FROM flights WHERE dep_delay <= 0;

-- What attacks try to change, and what the reader must not see.
CREATE TABLE precious (id integer PRIMARY KEY, name text);
INSERT INTO precious SELECT n, 'row ' || n FROM generate_series(1, 100) n;
CREATE SEQUENCE counter;
CREATE TABLE secrets (word text);
INSERT INTO secrets VALUES ('xyzzy');
CREATE FUNCTION erase() RETURNS integer LANGUAGE sql AS 'DELETE FROM precious; SELECT 1';
CREATE FUNCTION erase_row(precious) RETURNS integer LANGUAGE sql AS 'DELETE FROM precious; SELECT 1';
CREATE OPERATOR ### (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4pl);

CREATE ROLE reader LOGIN PASSWORD 'secret';
GRANT USAGE ON SCHEMA "Odd Schema" TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, "Odd Schema" TO reader;
REVOKE SELECT ON secrets FROM reader;
