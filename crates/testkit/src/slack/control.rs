//! Orders to a fake that runs as a process of its own: `POST /control` with one order as JSON.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Chaos, Fault, Shared, world::App};

/// Something to do or to tell.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Order {
    /// Sets the app. What is not said is as at first.
    App {
        /// The app.
        app: App,
    },
    /// Adds a workspace. Answers its id.
    AddTeam {
        /// Its name.
        name: String,
    },
    /// Adds a person. Answers the id.
    AddUser {
        /// The workspace.
        team: String,
        /// The name.
        name: String,
        /// The address.
        email: Option<String>,
        /// Whether it is a guest.
        #[serde(default)]
        is_guest: bool,
    },
    /// Adds a channel. Answers its id.
    AddChannel {
        /// The workspace.
        team: String,
        /// The name.
        name: String,
        /// Whether only members see it.
        #[serde(default)]
        is_private: bool,
        /// Whether another organisation is in it.
        #[serde(default)]
        is_ext_shared: bool,
        /// Who is in it.
        #[serde(default)]
        members: Vec<String>,
        /// Whether our bot is in it.
        #[serde(default)]
        has_bot: bool,
    },
    /// Installs the app with all scopes that our bot asks for. Answers the bot's token.
    Install {
        /// The workspace.
        team: String,
    },
    /// Someone removes the app.
    Uninstall {
        /// The workspace.
        team: String,
    },
    /// Closes a channel.
    Archive {
        /// The channel.
        channel: String,
    },
    /// Takes our bot out of a channel.
    RemoveBot {
        /// The channel.
        channel: String,
    },
    /// A person says something. Answers its timestamp.
    Say {
        /// Where.
        channel: String,
        /// Who.
        user: String,
        /// What.
        text: String,
        /// In which thread.
        thread_ts: Option<String>,
    },
    /// A person presses a button.
    Press {
        /// Where.
        channel: String,
        /// In which message.
        ts: String,
        /// Who.
        user: String,
        /// Which.
        action_id: String,
    },
    /// The next calls of a method go like this; `null` goes well.
    Script {
        /// The method.
        method: String,
        /// One after the other.
        faults: Vec<Option<Fault>>,
    },
    /// Faults by chance from now on, or none.
    Chaos {
        /// Which.
        chaos: Option<Chaos>,
    },
    /// Answers what was said in a conversation.
    Messages {
        /// Which.
        channel: String,
    },
    /// Answers the direct message with a person.
    DirectMessage {
        /// Who.
        user: String,
    },
    /// Answers all calls so far.
    Calls,
}

pub(super) async fn handle(State(shared): State<Arc<Shared>>, Json(order): Json<Order>) -> Json<Value> {
    Json(carry_out(&shared, order))
}

/// Does it. An order that makes no sense ends in a panic, which the caller sees as a connection that ends.
pub(super) fn carry_out(shared: &Shared, order: Order) -> Value {
    let mut inner = shared.lock();
    let world = &mut inner.world;
    match order {
        Order::App { app } => inner.app = app,
        Order::AddTeam { name } => return json!(world.add_team(&name)),
        Order::AddUser { team, name, email, is_guest } => {
            let id = world.add_user(&team, &name, email.as_deref());
            world.users.get_mut(&id).expect("the user").is_restricted = is_guest;
            return json!(id);
        }
        Order::AddChannel { team, name, is_private, is_ext_shared, members, has_bot } => {
            let id = world.add_channel(&team, &name, is_private);
            let bot = world.teams[&team].bot_user_id.clone();
            let channel = world.channels.get_mut(&id).expect("the channel");
            channel.is_ext_shared = is_ext_shared;
            channel.members.extend(members);
            channel.members.extend(has_bot.then_some(bot));
            return json!(id);
        }
        Order::Install { team } => {
            let now = inner.now();
            let (token, refresh_token) = inner.grant(&team, &super::all_scopes(), now);
            return json!({ "token": token, "refreshToken": refresh_token });
        }
        Order::Uninstall { team } => inner.uninstall(&team),
        Order::Archive { channel } => {
            world.channels.get_mut(&channel).expect("a channel").is_archived = true;
        }
        Order::RemoveBot { channel } => {
            let channel = world.channels.get_mut(&channel).expect("a channel");
            let bot = &world.teams[&channel.team_id].bot_user_id;
            channel.members.remove(bot);
        }
        Order::Say { channel, user, text, thread_ts } => {
            return json!(inner.person_says(&channel, &user, &text, thread_ts.as_deref()));
        }
        Order::Press { channel, ts, user, action_id } => inner.press(&channel, &ts, &user, &action_id),
        Order::Script { method, faults } => inner.faults.script(&method, faults),
        Order::Chaos { chaos } => inner.faults.set_chaos(chaos),
        Order::Messages { channel } => {
            return json!(world.channels.get(&channel).map(|channel| &channel.messages));
        }
        Order::DirectMessage { user } => {
            let team = world.users[&user].team_id.clone();
            return json!(world.im(&team, &user).0);
        }
        Order::Calls => return json!(inner.log.calls()),
    }
    Value::Null
}
