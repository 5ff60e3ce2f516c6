//! Trying out a model that a workspace may want to use. Who speaks with models is the agent; the API only asks for a try.

use std::{future::Future, pin::Pin};

use secrecy::SecretString;

/// A provider to be tried.
#[derive(Clone, Debug)]
pub struct ProposedModel {
    /// Up to and without `/chat/completions`; none: OpenAI's own.
    pub base_url: Option<String>,
    /// The model's name there.
    pub name: String,
    /// Its key.
    pub api_key: Option<SecretString>,
}

/// What a model said, or why it said nothing, in words for an admin and without secrets.
pub type Said = Result<String, String>;

/// Asks a provider for one word, by the very client that answers questions.
pub trait ModelProbe: Send + Sync {
    /// Asks once. It ends within a minute.
    fn ask(&self, model: ProposedModel) -> Pin<Box<dyn Future<Output = Said> + Send + '_>>;
}

/// For a process that was given none.
#[derive(Debug)]
pub(crate) struct NoProbe;

impl ModelProbe for NoProbe {
    fn ask(&self, _: ProposedModel) -> Pin<Box<dyn Future<Output = Said> + Send + '_>> {
        Box::pin(std::future::ready(Err("models cannot be tried from this process".to_owned())))
    }
}
