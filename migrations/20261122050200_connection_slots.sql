-- Who queries a data source, and who waits to. The first so many rows of a connection, by place, may query at once, over all
-- processes; a row whose lease has passed belongs to a process that is gone. No transaction stays open meanwhile.
CREATE TABLE connection_slot (
    workspace_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    -- Made by the one who asks, who names it from then on.
    token uuid NOT NULL,
    -- The order of coming. Given out one at a time for each connection, so that a lower one never appears later.
    place bigint GENERATED ALWAYS AS IDENTITY,
    -- Null while it waits.
    taken_at timestamptz,
    lease_until timestamptz NOT NULL,
    CONSTRAINT connection_slot_pk PRIMARY KEY (workspace_id, token),
    CONSTRAINT connection_slot_connection_fk FOREIGN KEY (workspace_id, connection_id)
        REFERENCES connection (workspace_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX connection_slot_place_idx ON connection_slot (workspace_id, connection_id, place);

ALTER TABLE connection_slot ENABLE ROW LEVEL SECURITY;
ALTER TABLE connection_slot FORCE ROW LEVEL SECURITY;
CREATE POLICY connection_slot_in_workspace ON connection_slot TO tidings_app
    USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
GRANT SELECT, INSERT, UPDATE, DELETE ON connection_slot TO tidings_app;
