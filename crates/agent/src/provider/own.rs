//! The providers that workspaces bring themselves. Their addresses were chosen by users: every request to them is guarded.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{Clock, WorkspaceId, WorkspaceModelId, step::ModelProvider};
use net::GuardedClient;
use secrecy::SecretString;
use store::WorkspaceModel;
use tokio::sync::mpsc;

use super::{Breaker, BreakerOptions, Patience, Provider};
use crate::{
    model::{Message, Model as _, ModelError, ModelRequest},
    openai::{OPENAI_BASE_URL, OpenAi, OpenAiOptions},
};

/// How long a test may take.
const TEST_PATIENCE: Duration = Duration::from_secs(45);
/// Room for a model that thinks before it speaks.
const TEST_TOKENS: u32 = 1_000;
/// The longest reply that a test shows, in characters.
const TEST_SHOWN: usize = 100;

/// The workspaces' own providers of this process, each with its breaker. One is kept for each workspace that has one.
pub(super) struct OwnModels {
    http: GuardedClient,
    silence: Duration,
    breaker: BreakerOptions,
    patience: Patience,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<WorkspaceId, (WorkspaceModelId, Arc<Provider>)>>,
}

impl OwnModels {
    pub(super) fn new(
        allowed_addresses: Vec<IpAddr>,
        silence: Duration,
        breaker: BreakerOptions,
        patience: Patience,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let http = GuardedClient::streaming(allowed_addresses);
        Self { http, silence, breaker, patience, clock, known: Mutex::default() }
    }

    /// The provider of a workspace as it is set up now. What was found out about one that has been changed is forgotten.
    pub(super) fn provider(&self, workspace_id: WorkspaceId, own: &WorkspaceModel) -> Arc<Provider> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, provider)) = known.get(&workspace_id).filter(|(id, _)| *id == own.id) {
            return Arc::clone(provider);
        }
        let model =
            open_ai(&self.http, own.base_url.as_deref(), &own.name, own.api_key.clone(), self.silence);
        let provider = Arc::new(Provider {
            role: ModelProvider::Workspace,
            label: ModelProvider::Workspace.as_str(),
            model: Arc::new(model),
            breaker: Arc::new(Breaker::new(self.breaker)),
            model_breaker: None,
            patience: self.patience,
            clock: Arc::clone(&self.clock),
        });
        known.insert(workspace_id, (own.id, Arc::clone(&provider)));
        provider
    }

    /// Forgets the provider of a workspace, and its key: it has been taken away.
    pub(super) fn forget(&self, workspace_id: WorkspaceId) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&workspace_id);
    }
}

fn open_ai(
    http: &GuardedClient,
    base_url: Option<&str>,
    name: &str,
    api_key: Option<SecretString>,
    silence: Duration,
) -> OpenAi {
    let api_key = api_key.unwrap_or_else(|| SecretString::from(String::new()));
    let mut options = OpenAiOptions::new(base_url.unwrap_or(OPENAI_BASE_URL), name, api_key);
    options.idle_timeout = silence;
    OpenAi::guarded(options, http.clone())
}

/// Asks a provider that a workspace may want to use for one word, once. Answers what it said, shortened.
pub async fn ask_for_a_word(
    allowed_addresses: Vec<IpAddr>,
    base_url: Option<&str>,
    name: &str,
    api_key: Option<SecretString>,
) -> Result<String, ModelError> {
    let http = GuardedClient::streaming(allowed_addresses);
    let model = open_ai(&http, base_url, name, api_key, TEST_PATIENCE);
    let request = ModelRequest {
        system: "Answer with one word.",
        messages: vec![Message::User { text: "Which colour has a clear sky at noon?".to_owned() }],
        tools: &[],
        max_tokens_out: TEST_TOKENS,
    };
    // Nobody watches it being written.
    let (deltas, _) = mpsc::channel(1);
    let reply = tokio::time::timeout(TEST_PATIENCE, model.reply(&request, &deltas)).await;
    let reply = reply.map_err(|_| ModelError::Unavailable {
        message: format!("it did not answer within {} s", TEST_PATIENCE.as_secs()),
        retry_after: None,
    })??;
    Ok(reply.text.trim().chars().take(TEST_SHOWN).collect())
}
