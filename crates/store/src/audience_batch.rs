//! Who may see how much of a message, for all messages of a batch at once: one transaction of two reads, however many they are
//! and whatever their workspaces.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use domain::{
    ThreadId, UserId,
    access::{ConnectionAccess, Role},
    audience::{AudiencePolicy, ConnectionAudience, DataBehind, Standing, UsedConnection, Viewer},
};
use uuid::Uuid;

use crate::{
    Error, Result, Scope, Store, Tx,
    audience::standing,
    error::{optional_word, word},
};

/// Somebody whom a message goes to, and the thread that it tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageReader {
    /// The message's workspace.
    pub scope: Scope,
    /// The thread with the answer.
    pub thread_id: ThreadId,
    /// Whose thread it is.
    pub creator_id: UserId,
    /// Who would read it.
    pub user_id: UserId,
}

/// What decides how much a reader sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderFacts {
    /// The data behind the message: one for all readers of a thread.
    pub data: Arc<DataBehind>,
    /// What the reader is to it, and may do with it.
    pub viewer: Viewer,
}

/// A workspace, and a thread or a member of it.
type Key = (Uuid, Uuid);

/// A member of a workspace, and their rights on connections.
struct Standee {
    role: Role,
    is_deactivated: bool,
    access: HashMap<Uuid, ConnectionAccess>,
}

impl Store {
    /// What decides how much each of `readers` sees, in their order: the connections that the thread used, what
    /// these and the workspace take away, and the reader's rights, all of it as it is now. The same as `audience_facts` says of
    /// each alone.
    pub async fn audience_of_readers(&self, readers: &[MessageReader]) -> Result<Vec<ReaderFacts>> {
        let mut tx = self.begin_across().await?;
        let threads = data_behind(&mut tx, readers).await?;
        let members = members(&mut tx, readers, &threads).await?;
        readers.iter().map(|reader| facts(reader, &threads, &members)).collect()
    }
}

fn facts(
    reader: &MessageReader,
    threads: &HashMap<Key, Arc<DataBehind>>,
    members: &HashMap<Key, Standee>,
) -> Result<ReaderFacts> {
    let workspace_id = reader.scope.workspace_id().as_uuid();
    // Without the workspace's policy nothing is known, and so nothing is shown.
    let data = threads.get(&(workspace_id, reader.thread_id.as_uuid())).ok_or(Error::NotFound)?;
    let viewer = match members.get(&(workspace_id, reader.user_id.as_uuid())) {
        None => Viewer::without_rights(Standing::Gone),
        Some(member) => Viewer {
            standing: standing(member.role, member.is_deactivated, reader.user_id == reader.creator_id),
            access: data
                .connections
                .iter()
                .map(|used| member.access.get(&used.id.as_uuid()).copied())
                .collect(),
        },
    };
    Ok(ReaderFacts { data: Arc::clone(data), viewer })
}

/// What each thread's answers rest on, its connections by name.
async fn data_behind(tx: &mut Tx, readers: &[MessageReader]) -> Result<HashMap<Key, Arc<DataBehind>>> {
    let wanted: BTreeSet<Key> = readers
        .iter()
        .map(|reader| (reader.scope.workspace_id().as_uuid(), reader.thread_id.as_uuid()))
        .collect();
    let (workspace_ids, thread_ids): (Vec<Uuid>, Vec<Uuid>) = wanted.into_iter().unzip();
    let rows = sqlx::query!(
        r#"SELECT wanted.workspace_id AS "workspace_id!", wanted.thread_id AS "thread_id!",
               workspace.audience_members AS policy_members, workspace.audience_outsiders AS policy_outsiders,
               connection.id AS "connection_id?", connection.name AS "name?", connection.audience_members,
               connection.audience_outsiders, connection.sensitive AS "sensitive?",
               connection.shares_credentials AS "shares_credentials?"
           FROM unnest($1::uuid[], $2::uuid[]) AS wanted (workspace_id, thread_id)
           JOIN workspace ON workspace.id = wanted.workspace_id
           LEFT JOIN LATERAL (
               SELECT DISTINCT connection_used.connection_id FROM connection_used
               WHERE connection_used.workspace_id = wanted.workspace_id
                 AND connection_used.thread_id = wanted.thread_id
           ) AS used ON true
           LEFT JOIN connection ON connection.workspace_id = wanted.workspace_id AND connection.id = used.connection_id
           ORDER BY wanted.workspace_id, wanted.thread_id, lower(connection.name), connection.id"#,
        &workspace_ids,
        &thread_ids
    )
    .fetch_all(tx.db())
    .await?;
    let mut threads: HashMap<Key, DataBehind> = HashMap::new();
    for row in rows {
        let policy = AudiencePolicy {
            members: word("workspace", "audience_members", row.workspace_id, &row.policy_members)?,
            outsiders: word("workspace", "audience_outsiders", row.workspace_id, &row.policy_outsiders)?,
        };
        let data = threads
            .entry((row.workspace_id, row.thread_id))
            .or_insert_with(|| DataBehind { policy, connections: Vec::new() });
        let (Some(id), Some(name), Some(is_sensitive), Some(shares_credentials)) =
            (row.connection_id, row.name, row.sensitive, row.shares_credentials)
        else {
            continue;
        };
        let most = |column, text: Option<String>| optional_word("connection", column, id, text.as_deref());
        let rule = ConnectionAudience {
            members: most("audience_members", row.audience_members)?,
            outsiders: most("audience_outsiders", row.audience_outsiders)?,
            is_sensitive,
            shares_credentials,
        };
        data.connections.push(UsedConnection { id: id.into(), name, rule });
    }
    Ok(threads.into_iter().map(|(key, data)| (key, Arc::new(data))).collect())
}

/// The readers who are members of their message's workspace, with their rights on connections behind any of the threads.
async fn members(
    tx: &mut Tx,
    readers: &[MessageReader],
    threads: &HashMap<Key, Arc<DataBehind>>,
) -> Result<HashMap<Key, Standee>> {
    let wanted: BTreeSet<Key> = readers
        .iter()
        .map(|reader| (reader.scope.workspace_id().as_uuid(), reader.user_id.as_uuid()))
        .collect();
    let (workspace_ids, user_ids): (Vec<Uuid>, Vec<Uuid>) = wanted.into_iter().unzip();
    let connections: BTreeSet<Uuid> =
        threads.values().flat_map(|data| &data.connections).map(|used| used.id.as_uuid()).collect();
    let connections: Vec<Uuid> = connections.into_iter().collect();
    // The rights are narrowed by columns that the view groups by, so that it looks at no others.
    let rows = sqlx::query!(
        r#"SELECT member.workspace_id, member.user_id, member.role,
               member.deactivated_at IS NOT NULL AS "is_deactivated!",
               granted.connection_id AS "connection_id?", granted.access AS "access?"
           FROM unnest($1::uuid[], $2::uuid[]) AS reader (workspace_id, user_id)
           JOIN member ON member.workspace_id = reader.workspace_id AND member.user_id = reader.user_id
           LEFT JOIN (
               SELECT workspace_id, connection_id, user_id, access FROM connection_access
               WHERE workspace_id = ANY ($1) AND connection_id = ANY ($3) AND user_id = ANY ($2)
           ) AS granted ON granted.workspace_id = member.workspace_id AND granted.user_id = member.user_id"#,
        &workspace_ids,
        &user_ids,
        &connections
    )
    .fetch_all(tx.db())
    .await?;
    let mut members: HashMap<Key, Standee> = HashMap::new();
    for row in rows {
        let role = word("member", "role", row.user_id, &row.role)?;
        let member = members.entry((row.workspace_id, row.user_id)).or_insert_with(|| Standee {
            role,
            is_deactivated: row.is_deactivated,
            access: HashMap::new(),
        });
        let Some(connection_id) = row.connection_id else { continue };
        let access = optional_word("connection_access", "access", connection_id, row.access.as_deref())?;
        if let Some(access) = access {
            member.access.insert(connection_id, access);
        }
    }
    Ok(members)
}
