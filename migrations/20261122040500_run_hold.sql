-- A run that is put back for fresh data takes the thread of its start along: empty, and named by nothing but the run's own row,
-- which lets go of it in the same transaction. Steps, results, charts and shares keep their keys to turn and thread, so that
-- nothing else can be deleted this way.
GRANT DELETE ON thread, turn TO tidings_app;
