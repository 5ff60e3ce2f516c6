-- A worker that looks for fresh data holds the run, and may put it back as one that never started. Whether a pause had come
-- meanwhile was asked of the task, which knew nothing of one that was over by then: that run waited on, and was sent after all.
ALTER TABLE run_queue
    -- Its task was paused while it was here. If it is put back as one that never started, the pause has skipped it.
    ADD COLUMN paused boolean NOT NULL DEFAULT false;
