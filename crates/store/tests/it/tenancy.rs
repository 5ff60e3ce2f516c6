//! The second wall: row-level security, for every tenanted table that the catalog knows, so that a new one cannot be forgotten.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use testkit::{World, world};

async fn names(superuser: &mut PgConnection, query: &str) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(superuser).await.expect("names");
    rows.iter().map(|row| row.get(0)).collect()
}

const TENANTED: &str = "SELECT relname::text FROM pg_class
    JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'workspace_id' AND NOT attisdropped
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname";

#[tokio::test]
async fn every_tenanted_table_has_its_policies_and_its_keys_begin_with_the_workspace() {
    let world = World::new().await;
    let mut superuser = world.superuser().await;
    let tenanted = names(&mut superuser, TENANTED).await;
    assert!(tenanted.len() >= 28, "{tenanted:?}");
    let walled = names(
        &mut superuser,
        "SELECT relname::text FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND relkind IN ('r', 'p')",
    )
    .await;
    for table in tenanted.iter().map(String::as_str).chain(["workspace", "app_user"]) {
        assert!(walled.iter().any(|walled| walled == table), "{table} has no forced row-level security");
    }
    let other_keys = names(
        &mut superuser,
        "SELECT conrelid::regclass::text FROM pg_constraint
         JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
         WHERE contype = 'p' AND conrelid IN (SELECT attrelid FROM pg_attribute WHERE attname = 'workspace_id')
           AND attname <> 'workspace_id' AND connamespace = 'public'::regnamespace",
    )
    .await;
    assert_eq!(other_keys, Vec::<String>::new(), "primary keys that do not begin with workspace_id");
    let bare_views = names(
        &mut superuser,
        "SELECT relname::text FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
           AND NOT coalesce(reloptions::text LIKE '%security_invoker=true%', false)",
    )
    .await;
    assert_eq!(bare_views, Vec::<String>::new(), "views that would read past the policies");
    let bypassing = names(
        &mut superuser,
        "SELECT rolname::text FROM pg_roles WHERE rolname IN ('tidings_app', 'tidings_worker')
           AND (rolbypassrls OR rolsuper OR rolcanlogin)",
    )
    .await;
    assert_eq!(bypassing, Vec::<String>::new());
}

#[tokio::test]
async fn every_foreign_key_has_an_index() {
    let world = World::new().await;
    let bare = names(
        &mut world.superuser().await,
        "SELECT conname::text FROM pg_constraint
         WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND NOT EXISTS (
             SELECT FROM pg_index WHERE indrelid = conrelid
               AND (string_to_array(indkey::text, ' ')::smallint[])[1:cardinality(conkey)] @> conkey)
         ORDER BY conname",
    )
    .await;
    assert_eq!(bare, Vec::<String>::new());
}

/// Fills both workspaces with a row of every kind, then looks from one at the other, table by table.
#[tokio::test]
async fn no_table_shows_a_row_of_another_workspace() {
    let world = World::new().await;
    let (other_scope, other_user) = world::workspace(world.store(), "beta").await;
    let other_task = world.task_of(&other_scope, other_user, |_| ()).await;
    world.store().task_run(&other_scope, other_task.id, None).await.expect("a run");
    let mut superuser = world.superuser().await;
    // Tables that these leave empty get a row past every check, by copying types only.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "SET session_replication_role = replica;
         INSERT INTO member_group (workspace_id, id, name, created_at) VALUES ('{ws}', '{ws}', 'g', now());
         INSERT INTO group_member VALUES ('{ws}', '{ws}', '{ws}');
         INSERT INTO notification_preference VALUES ('{ws}', '{ws}', true, true);
         INSERT INTO session VALUES ('{ws}', '{ws}', '{ws}', 's', now(), now(), now(), now());
         INSERT INTO sign_in_link VALUES ('{ws}', '{ws}', 's', now(), now(), null);
         INSERT INTO api_token (workspace_id, id, user_id, name, kind, secret_hash, created_at)
             VALUES ('{ws}', '{ws}', '{ws}', 'n', 'workspace', 's', now());
         INSERT INTO connection (workspace_id, id, name, engine, details, created_by, created_at, updated_at)
             VALUES ('{ws}', '{ws}', 'n', 'files', '{{}}', '{ws}', now(), now());
         INSERT INTO connection_grant VALUES ('{ws}', '{ws}', null, null, 'query');
         INSERT INTO task_connection VALUES ('{ws}', '{ws}', '{ws}', 1);
         INSERT INTO task_unsubscription VALUES ('{ws}', '{ws}', '{ws}', now());
         INSERT INTO thread_share VALUES ('{ws}', '{ws}', null, null);
         INSERT INTO step VALUES ('{ws}', '{ws}', 1, 1, now(), 1, '{{}}');
         INSERT INTO result (workspace_id, id, thread_id, turn_no, number, call_id, connection_id, sql, columns, row_count,
             elapsed_ms, ran_at) VALUES ('{ws}', '{ws}', '{ws}', 1, 1, 'c', '{ws}', 's', '[]', 0, 0, now());
         INSERT INTO result_chunk VALUES ('{ws}', '{ws}', 0, '[]');
         INSERT INTO connection_read VALUES ('{ws}', '{ws}', '{ws}');
         INSERT INTO chart VALUES ('{ws}', '{ws}', '{ws}', 1, 1, 'c', '{ws}', 't', 'a', '{{}}', '{{}}', 's', 'p', 1, 1, now());
         INSERT INTO delivery (workspace_id, id, kind, channel, label, state, available_at, created_at)
             VALUES ('{ws}', '{ws}', 'answer', 'email', 'l', 'pending', now(), now());
         INSERT INTO delivery_attempt VALUES ('{ws}', '{ws}', 1, now(), null, null, null);
         INSERT INTO delivery_decision VALUES ('{ws}', '{ws}', 1, now(), 'full', 'r', null, null, null, null);
         INSERT INTO mail_suppression VALUES ('{ws}', 'a', 'r', now());
         INSERT INTO mail_policy VALUES ('{ws}', '{{}}', now());
         INSERT INTO outbox_mail VALUES ('{ws}', '{ws}', 's', 'r', 's', 's', now());
         INSERT INTO credit_entry (workspace_id, id, at, kind, amount_micro, moves_balance, purpose, actor_kind)
             VALUES ('{ws}', '{ws}', now(), 'grant', 1, true, 'p', 'system');
         INSERT INTO credit_balance VALUES ('{ws}', 0, 1);
         INSERT INTO credit_cap VALUES ('{ws}', 'workspace', '{ws}', 1, null, now());
         INSERT INTO credit_month VALUES ('{ws}', '2026-03-01', 'workspace', '{ws}', 0, 1);
         INSERT INTO run_check (workspace_id, run_id, task_id, is_history, sent, outcome, checked_at)
             VALUES ('{ws}', '{ws}', '{ws}', true, true, '{{}}', now());
         INSERT INTO connection_slot (workspace_id, connection_id, token, lease_until) VALUES ('{ws}', '{ws}', '{ws}', now());
         INSERT INTO slack_installation (workspace_id, id, team_id, team_name, app_id, bot_user_id, scopes, secret,
             secret_key_id, state, installed_by, channels_due_at, created_at, updated_at)
             VALUES ('{ws}', '{ws}', 'T', 't', 'A', 'U', '{{}}', 's', 'k', 'active', '{ws}', now(), now(), now());
         INSERT INTO slack_oauth_state VALUES ('{ws}', 's', 'install', '{ws}', '{ws}', now());
         INSERT INTO slack_user VALUES ('{ws}', 'T', '{ws}', 'U', 'email', now());
         INSERT INTO slack_channel VALUES ('{ws}', 'C', 'c', false, false, true, false, null, now());
         INSERT INTO slack_event (workspace_id, event_id, kind, state, available_at, received_at)
             VALUES ('{ws}', 'E', 'event', 'done', now(), now());
         INSERT INTO slack_thread VALUES ('{ws}', 'C', '1.0', '{ws}', null, now());
         INSERT INTO slack_turn VALUES ('{ws}', '{ws}', 1, 'C', '1.0', '1.0', 'U', false, now());
         INSERT INTO slack_note VALUES ('{ws}', 'C', '1.0', 'U', 'not_linked', now());
         INSERT INTO slack_post (workspace_id, delivery_id, part, channel_id, started_at) VALUES ('{ws}', '{ws}', 0, 'C', now());
         INSERT INTO slack_upload (workspace_id, content, team_id, file_id, started_at) VALUES ('{ws}', 'c', 'T', 'F', now());
         INSERT INTO slack_dm VALUES ('{ws}', 'T', 'U', 'D');
         INSERT INTO slack_lane (workspace_id, lane, free_at, line_ends_at, held_until) VALUES ('{ws}', 'l', now(), now(), now());
         INSERT INTO webhook_endpoint (workspace_id, id, url, description, events, created_by, created_at, updated_at)
             VALUES ('{ws}', '{ws}', 'u', '', '{{run.failed}}', '{ws}', now(), now());
         INSERT INTO workspace_model VALUES ('{ws}', '{ws}', null, 'm', 's', 'k', '{ws}', now());
         INSERT INTO webhook_secret VALUES ('{ws}', '{ws}', '{ws}', 's', 'k', now(), null);
         INSERT INTO webhook_message (workspace_id, id, endpoint_id, event, payload, state, tries_until, available_at, created_at)
             VALUES ('{ws}', '{ws}', '{ws}', 'test', '{{}}', 'pending', now(), now(), now());
         INSERT INTO webhook_attempt VALUES ('{ws}', '{ws}', 1, now(), null, null, null);
         INSERT INTO notice (workspace_id, id, user_id, kind, headline, advice, created_at)
             VALUES ('{ws}', '{ws}', '{ws}', 'failure', 'h', 'a', now());
         INSERT INTO destination (workspace_id, id, channel, target, label, failures, faults, reason, failing_since, updated_at)
             VALUES ('{ws}', '{ws}', 'email', 't', 'l', 1, 1, 'r', now(), now());
         INSERT INTO destination_creator VALUES ('{ws}', '{ws}', '{ws}', '{ws}', true, now());
         INSERT INTO answer_feedback VALUES ('{ws}', '{ws}', '{ws}', 1, '{ws}', 'up', '', now(), now());
         INSERT INTO task_method VALUES ('{ws}', '{ws}', '{ws}', 's', 'q', now(), 'UTC', '{ws}', 1, now());
         INSERT INTO verified_question VALUES ('{ws}', '{ws}', '{ws}', 'q', 'q', sha256('q'), 's', now(), 'UTC', '{ws}', 1, '{ws}', now());
         INSERT INTO backtest VALUES ('{ws}', '{ws}', '{ws}', now(), now());
         INSERT INTO backtest_occurrence VALUES ('{ws}', '{ws}', 0, '2026-03-01', now(), now(), null);
         INSERT INTO idempotency_key (workspace_id, user_id, key, request_hash, created_at, locked_until)
             VALUES ('{ws}', '{ws}', 'k', 'h', now(), now());",
        ws = other_scope.workspace_id()
    )))
    .execute(&mut superuser)
    .await
    .expect("rows");
    let tenanted = names(&mut superuser, TENANTED).await;
    // What the role may not read at all is granted here, so that the policy alone is what stands in the way.
    sqlx::raw_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO tidings_app; SET ROLE tidings_app")
        .execute(&mut superuser)
        .await
        .expect("the role");
    for table in tenanted {
        let seen = async |superuser: &mut PgConnection, workspace: String| -> i64 {
            let query =
                format!("SELECT count(*) FROM {table} WHERE workspace_id = '{}'", other_scope.workspace_id());
            sqlx::query("SELECT set_config('tidings.workspace_id', $1, false)")
                .bind(workspace)
                .execute(&mut *superuser)
                .await
                .expect("a setting");
            sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(superuser).await.expect("a count")
        };
        let own = seen(&mut superuser, other_scope.workspace_id().to_string()).await;
        assert!(own > 0, "{table} has no row to hide: add one above");
        assert_eq!(
            seen(&mut superuser, world.scope.workspace_id().to_string()).await,
            0,
            "{table}, seen from another"
        );
        assert_eq!(seen(&mut superuser, String::new()).await, 0, "{table}, seen from none");
    }
    for people in ["SELECT count(*) FROM app_user", "SELECT count(*) FROM workspace"] {
        let count: i64 = sqlx::query_scalar(people).fetch_one(&mut superuser).await.expect("a count");
        assert_eq!(count, 0, "{people}, seen from none");
    }
}

#[tokio::test]
async fn nothing_can_be_written_into_another_workspace() {
    let world = World::new().await;
    let (other_scope, _) = world::workspace(world.store(), "beta").await;
    let mut connection = world.superuser().await;
    sqlx::raw_sql(AssertSqlSafe(format!(
        "SET ROLE tidings_app; SELECT set_config('tidings.workspace_id', '{}', false)",
        world.scope.workspace_id()
    )))
    .execute(&mut connection)
    .await
    .expect("the role");
    let insert = format!(
        "INSERT INTO mail_suppression VALUES ('{}', 'a@b.test', 'r', now())",
        other_scope.workspace_id()
    );
    let refused = sqlx::query(AssertSqlSafe(insert)).execute(&mut connection).await.expect_err("a refusal");
    assert!(refused.to_string().contains("row-level security"), "{refused}");
}

#[tokio::test]
async fn the_audit_log_can_be_added_to_and_nothing_else() {
    let world = World::new().await;
    let mut connection = world.superuser().await;
    for role in ["tidings_app", "tidings_worker"] {
        sqlx::raw_sql(AssertSqlSafe(format!("SET ROLE {role}")))
            .execute(&mut connection)
            .await
            .expect("the role");
        for statement in ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
        {
            let refused = sqlx::query(statement).execute(&mut connection).await.expect_err("a refusal");
            assert!(refused.to_string().contains("permission denied"), "{role}: {statement}: {refused}");
        }
    }
}
