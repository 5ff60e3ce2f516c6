//! SMTP through lettre's connection, step by step, because what an error means depends on the step that it happened in.

use std::{future::Future, sync::Mutex, time::Duration};

use lettre::{
    Address,
    transport::smtp::{
        self,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt, Rset},
        extension::{ClientId, Extension, MailParameter},
    },
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    email::Email,
    render::inert::{clip, inert_line},
};

/// How many connections are kept open for the next mail.
const IDLE_MAX: usize = 4;
/// The longest answer of a server that is kept, in characters.
const ANSWER_MAX: usize = 300;

/// Why a mail was not sent, by what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Try again later: the server was out of reach, or said so (4xx).
    #[error("the mail server could not take the mail now: {answer}")]
    Later {
        /// What the server said, or what went wrong.
        answer: String,
        /// Whether it is for the operator to mend (a refused password), not for time.
        is_ours: bool,
    },
    /// Nobody reads at this address (5.1.x): nothing is to be sent to it again.
    #[error("the address does not exist: {answer}")]
    DeadAddress {
        /// What the server said.
        answer: String,
    },
    /// The server refuses this mail for good.
    #[error("the mail was refused: {answer}")]
    Refused {
        /// What the server said.
        answer: String,
        /// Whether it is a matter of policy (5.7.x), which the operator should hear of.
        is_policy: bool,
    },
    /// The connection broke between the end of the mail and the server's answer to it: it may have been taken or not.
    #[error("the connection was lost before the mail server answered: {answer}")]
    Unknown {
        /// What went wrong.
        answer: String,
    },
}

/// Why an SMTP address in the configuration is none. Never holds the address: a password may be in it.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It cannot be read at all.
    #[error("it is no URL")]
    Syntax(#[source] url::ParseError),
    /// Another scheme.
    #[error("it must start with smtp:// or smtps://")]
    Scheme,
    /// No server is named.
    #[error("it names no server")]
    Host,
    /// Another word after `tls=`.
    #[error("`tls` must be none, opportunistic or required")]
    Tls,
    /// User or password are not UTF-8 once their percent signs are read.
    #[error("user and password must be percent-encoded UTF-8")]
    Credentials,
    /// TLS cannot be set up at all.
    #[error("TLS could not be set up")]
    TlsSetup(#[source] smtp::Error),
}

/// When a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Never,
    /// By STARTTLS, if the server offers it.
    Opportunistic,
    /// By STARTTLS, or not at all.
    Required,
    /// From the first byte.
    Wrapped,
}

/// A mail server, with connections to it that are used again.
pub struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    tls_parameters: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
    patience: Patience,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To connect, greet, and set up TLS.
    pub connect: Duration,
    /// To answer a command.
    pub command: Duration,
    /// To take a mail once it is written.
    pub acceptance: Duration,
}

impl Default for Patience {
    /// Less than RFC 5321 asks for, so that an attempt always ends before its lease does.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            command: Duration::from_secs(15),
            acceptance: Duration::from_mins(1),
        }
    }
}

/// Where in the dialogue an error happened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeting,
    Sender,
    Recipient,
    Data,
    End,
}

impl Smtp {
    /// A server by its URL: `smtp://[USER:PASSWORD@]HOST[:PORT][?tls=none|opportunistic|required]`, or `smtps://` with TLS
    /// from the first byte. With a password and without `tls=`, TLS is required; without either there is none. Ports
    /// default to 25 (none), 587 (STARTTLS) and 465 (`smtps`).
    pub fn new(url: &SecretString, patience: Patience) -> Result<Self, UrlError> {
        let url = url::Url::parse(url.expose_secret()).map_err(UrlError::Syntax)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(UrlError::Host)?.to_owned();
        let credentials = match url.password() {
            None => None,
            Some(password) => {
                Some(Credentials::new(percent_decoded(url.username())?, percent_decoded(password)?))
            }
        };
        let asked = url.query_pairs().find(|(key, _)| key == "tls").map(|(_, value)| value.into_owned());
        let tls = match (url.scheme(), asked.as_deref()) {
            ("smtps", _) => Tls::Wrapped,
            ("smtp", Some("none")) => Tls::Never,
            ("smtp", Some("opportunistic")) => Tls::Opportunistic,
            ("smtp", Some("required")) => Tls::Required,
            ("smtp", Some(_)) => return Err(UrlError::Tls),
            ("smtp", None) if credentials.is_some() => Tls::Required,
            ("smtp", None) => Tls::Never,
            _ => return Err(UrlError::Scheme),
        };
        let default_port = match tls {
            Tls::Never => 25,
            Tls::Opportunistic | Tls::Required => 587,
            Tls::Wrapped => 465,
        };
        Ok(Self {
            port: url.port().unwrap_or(default_port),
            tls,
            tls_parameters: TlsParameters::new(host.trim_matches(['[', ']']).to_owned())
                .map_err(UrlError::TlsSetup)?,
            host,
            credentials,
            hello: ClientId::default(),
            patience,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Hands `email` to the server; answers what the server said to it, which names it in the server's log.
    pub async fn send(&self, email: &Email) -> Result<String, Error> {
        let mut connection = self.connection().await?;
        let sent = self.transfer(&mut connection, email).await;
        let is_usable = match &sent {
            Ok(_) => true,
            Err(_) if connection.has_broken() => false,
            Err(Error::Unknown { .. }) => false,
            // After a refusal the dialogue is where it was; `RSET` shows that the server agrees.
            Err(_) => {
                within(self.patience.command, connection.command(Rset)).await.is_ok_and(|reset| reset.is_ok())
            }
        };
        if is_usable {
            let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if idle.len() < IDLE_MAX {
                idle.push(connection);
            }
        }
        sent
    }

    /// A connection that answers: one that was used before, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Error> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
            let Some(mut kept) = kept else { break };
            if within(self.patience.command, kept.test_connected()).await.is_ok_and(|answers| answers) {
                return Ok(kept);
            }
        }
        match within(self.patience.connect, self.connect()).await {
            Ok(connected) => connected.map_err(|error| classify(Step::Greeting, &error)),
            Err(TimedOut) => Err(timed_out(Step::Greeting)),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let wrapped = (self.tls == Tls::Wrapped).then(|| self.tls_parameters.clone());
        let server = (self.host.trim_matches(['[', ']']), self.port);
        let limit = Some(self.patience.connect);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, limit, &self.hello, wrapped, None).await?;
        let upgrades = match self.tls {
            Tls::Required => true,
            Tls::Opportunistic => connection.can_starttls(),
            Tls::Never | Tls::Wrapped => false,
        };
        if upgrades {
            connection.starttls(self.tls_parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(connection)
    }

    async fn transfer(&self, connection: &mut AsyncSmtpConnection, email: &Email) -> Result<String, Error> {
        let command = self.patience.command;
        let mut parameters = Vec::new();
        if [&email.from, &email.to].into_iter().any(|address| !is_ascii(address)) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let answer = "the server takes no addresses beyond ASCII (SMTPUTF8)".to_owned();
                return Err(Error::Refused { answer, is_policy: false });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let sender = Mail::new(Some(email.from.clone()), parameters);
        answer_to(Step::Sender, command, connection.command(sender)).await?;
        let recipient = Rcpt::new(email.to.clone(), Vec::new());
        answer_to(Step::Recipient, command, connection.command(recipient)).await?;
        answer_to(Step::Data, command, connection.command(Data)).await?;
        answer_to(Step::End, self.patience.acceptance, connection.message(&email.source)).await
    }
}

async fn answer_to(
    step: Step,
    limit: Duration,
    command: impl Future<Output = Result<smtp::response::Response, smtp::Error>>,
) -> Result<String, Error> {
    match within(limit, command).await {
        Ok(Ok(response)) => Ok(shown(&response.message().collect::<Vec<_>>().join(" "))),
        Ok(Err(error)) => Err(classify(step, &error)),
        Err(TimedOut) => Err(timed_out(step)),
    }
}

struct TimedOut;

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, TimedOut> {
    tokio::time::timeout(limit, work).await.map_err(|_| TimedOut)
}

fn timed_out(step: Step) -> Error {
    let answer = "the server did not answer in time".to_owned();
    match step {
        Step::End => Error::Unknown { answer },
        _ => Error::Later { answer, is_ours: false },
    }
}

fn classify(step: Step, error: &smtp::Error) -> Error {
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let Some(code) = error.status() else {
        let answer = shown(&format!("{error} {said}"));
        return match step {
            Step::End => Error::Unknown { answer },
            // Not the network's doing: no TLS where it is required, no way to sign in.
            Step::Greeting if error.is_client() || error.is_tls() => Error::Later { answer, is_ours: true },
            _ => Error::Later { answer, is_ours: false },
        };
    };
    let code = u16::from(code);
    let answer = shown(&format!("{code} {said}"));
    if code < 500 {
        return Error::Later { answer, is_ours: false };
    }
    // Before a mail is named, and where the server wants a password, a refusal is of us, not of the mail.
    if step == Step::Greeting || matches!(code, 530 | 535) {
        return Error::Later { answer, is_ours: true };
    }
    match enhanced_status(&said) {
        // 5.1.7 and 5.1.8 are about the sender's address, as is everything said before the recipient is named.
        Some((5, 1, 7 | 8) | (5, 7, _)) => Error::Refused { answer, is_policy: true },
        Some((5, 1, _)) if step != Step::Sender => Error::DeadAddress { answer },
        _ => Error::Refused { answer, is_policy: step == Step::Sender },
    }
}

/// `5.1.1` at the start of a server's answer (RFC 3463).
fn enhanced_status(answer: &str) -> Option<(u16, u16, u16)> {
    let mut numbers = answer.split_whitespace().next()?.split('.').map(|number| number.parse().ok());
    let status = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(status)
}

fn shown(answer: &str) -> String {
    clip(&inert_line(answer), ANSWER_MAX)
}

fn is_ascii(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

fn percent_decoded(text: &str) -> Result<String, UrlError> {
    let decoded =
        percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| UrlError::Credentials)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(url: &str) -> Result<Smtp, UrlError> {
        Smtp::new(&SecretString::from(url), Patience::default())
    }

    #[tokio::test]
    async fn a_url_says_port_and_encryption() {
        for (url, port, tls) in [
            ("smtp://mail.example", 25, Tls::Never),
            ("smtp://u:p@mail.example", 587, Tls::Required),
            ("smtp://u:p@mail.example?tls=none", 25, Tls::Never),
            ("smtp://mail.example:2525?tls=opportunistic", 2525, Tls::Opportunistic),
            ("smtp://mail.example?tls=required", 587, Tls::Required),
            ("smtps://u:p%40ss@mail.example", 465, Tls::Wrapped),
        ] {
            let smtp = smtp(url).expect(url);
            assert_eq!((smtp.port, smtp.tls), (port, tls), "{url}");
        }
        assert_eq!(percent_decoded("p%40s%C3%A9").expect("decodes"), "p@sé");
    }

    #[tokio::test]
    async fn an_error_about_a_url_never_shows_it() {
        for url in [
            "",
            "mail.example",
            "http://u:secret@x",
            "smtp://u:secret@x?tls=maybe",
            "smtp://u:%ff@x",
            "smtp://",
        ] {
            let Err(error) = smtp(url) else { panic!("{url} was taken") };
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    }

    #[test]
    fn enhanced_codes_are_read_from_the_start_of_an_answer() {
        assert_eq!(enhanced_status("5.1.1 no such user"), Some((5, 1, 1)));
        assert_eq!(enhanced_status("user 5.1.1"), None);
        assert_eq!(enhanced_status("1.2.3.4 is blocked"), None);
        assert_eq!(enhanced_status(""), None);
    }
}
