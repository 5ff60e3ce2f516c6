-- The table of eval/data/palmerpenguins for PostgreSQL.
CREATE TABLE penguins (
    species text, island text, bill_length_mm double precision, bill_depth_mm double precision, flipper_length_mm integer,
    body_mass_g integer, sex text, year integer);
