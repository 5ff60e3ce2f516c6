//! SMTP through lettre's connection, step by step, because what an error means depends on the step that it happened in.

mod answer;

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lettre::{
    Address,
    transport::smtp::{
        self,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Ehlo, Mail, Rcpt, Rset},
        extension::{ClientId, Extension, MailParameter},
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, SemaphorePermit, oneshot},
    time::Instant,
};

pub use self::answer::Error;
use self::answer::{Failure, Step, classify, shown, timed_out};
use crate::email::Email;

/// How many connections there are at most, unless said otherwise. Providers allow between ten and some hundreds.
pub const CONNECTIONS: u32 = 16;
/// A connection that was not used for so long is asked whether it is still there before it gets a mail.
const ASKED_AFTER: Duration = Duration::from_secs(5);
/// Servers close a connection that was not used for some minutes; ours is closed before.
const DROPPED_AFTER: Duration = Duration::from_mins(1);
/// By how many bytes of a mail the time to write it is counted.
const MEGABYTE: usize = 1 << 20;

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
    #[error("`tls` must be none, opportunistic, required or starttls")]
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
pub enum Tls {
    /// Not at all.
    Never,
    /// By STARTTLS, if the server offers it.
    Opportunistic,
    /// By STARTTLS, or nothing is sent.
    Required,
    /// From the first byte.
    Wrapped,
}

/// A mail server, with connections to it that are used again.
pub struct Smtp {
    host: String,
    /// As written; else it follows from how a connection is encrypted.
    port: Option<u16>,
    tls: Tls,
    tls_parameters: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
    patience: Patience,
    /// One for each connection that may be open at once.
    places: Semaphore,
    idle: Mutex<Vec<Line>>,
}

/// The right to one of a server's connections, until it is dropped.
pub struct Place<'a> {
    smtp: &'a Smtp,
    _one: Option<SemaphorePermit<'a>>,
}

impl Place<'_> {
    /// Hands `email` to the server; answers what the server said to it, which names it in the server's log.
    pub async fn send(self, email: &Email) -> Result<String, Error> {
        self.smtp.send_now(email).await
    }
}

/// A connection that has been greeted and signed in to.
struct Line {
    connection: AsyncSmtpConnection,
    /// Whether the server takes several commands at once (RFC 2920).
    takes_pipelines: bool,
    used_at: Instant,
}

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To connect, greet, and set up TLS.
    pub connect: Duration,
    /// To answer a command.
    pub command: Duration,
    /// To take in each megabyte of a mail, and what is left over, up to its end.
    pub megabyte: Duration,
    /// To say what became of a mail once its end is written.
    pub acceptance: Duration,
}

impl Default for Patience {
    /// Less than RFC 5321 asks for while nothing can have been taken: the mail is tried again. As long as it asks for (4.5.3.2.6)
    /// once it may have been: whoever gives up then sends a second one, and a server that filters what it is sent takes minutes.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            command: Duration::from_secs(15),
            megabyte: Duration::from_mins(3),
            acceptance: Duration::from_mins(10),
        }
    }
}

impl Patience {
    /// To take in a mail of so many bytes, up to its end.
    fn to_write(self, bytes: usize) -> Duration {
        self.megabyte * bytes.div_ceil(MEGABYTE) as u32
    }
}

/// A mail that is being written. It says when all of it is: its end, the line with the dot, goes next.
struct Content<'a> {
    source: Option<&'a [u8]>,
    at_end: Option<oneshot::Sender<()>>,
}

impl<'a> Iterator for Content<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let source = self.source.take();
        if source.is_none()
            && let Some(at_end) = self.at_end.take()
        {
            // Who no longer waits for it has given up.
            let _ = at_end.send(());
        }
        source
    }
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
            ("smtp", Some("required" | "starttls")) => Tls::Required,
            ("smtp", Some(_)) => return Err(UrlError::Tls),
            ("smtp", None) if credentials.is_some() => Tls::Required,
            ("smtp", None) => Tls::Never,
            _ => return Err(UrlError::Scheme),
        };
        Ok(Self {
            port: url.port(),
            tls,
            tls_parameters: tls_parameters(&host, None)?,
            host,
            credentials,
            hello: ClientId::default(),
            patience,
            places: Semaphore::new(CONNECTIONS as usize),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// The same server, encrypted so, whatever its URL says.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// The same server, whose certificate may also be signed by this authority, in PEM: a company's own.
    pub fn with_authority(mut self, pem: &[u8]) -> Result<Self, UrlError> {
        self.tls_parameters = tls_parameters(&self.host, Some(pem))?;
        Ok(self)
    }

    /// The same server, with at most so many connections at once.
    #[must_use]
    pub fn with_connections(mut self, most: u32) -> Self {
        self.places = Semaphore::new(most.max(1) as usize);
        self
    }

    /// The name or address that it is connected to, and the port.
    pub fn server(&self) -> (&str, u16) {
        (self.host.trim_matches(['[', ']']), self.port())
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::Never => 25,
            Tls::Opportunistic | Tls::Required => 587,
            Tls::Wrapped => 465,
        })
    }

    /// Waits until one connection more may be open.
    pub async fn place(&self) -> Place<'_> {
        // They are never closed.
        Place { smtp: self, _one: self.places.acquire().await.ok() }
    }

    /// Hands `email` to the server once there is a place: see [`Place::send`].
    pub async fn send(&self, email: &Email) -> Result<String, Error> {
        self.place().await.send(email).await
    }

    async fn send_now(&self, email: &Email) -> Result<String, Error> {
        if let Some(mut kept) = self.kept().await {
            match self.transfer(&mut kept, email).await {
                // The server has closed it since: nothing was taken, and a new one may do.
                Err(failure) if failure.is_connections() => {}
                sent => return self.put_back(kept, sent).await,
            }
        }
        let mut fresh = match within(self.patience.connect, self.connect()).await {
            Ok(connected) => connected?,
            Err(TimedOut) => return Err(timed_out(Step::Greeting).error),
        };
        let sent = self.transfer(&mut fresh, email).await;
        self.put_back(fresh, sent).await
    }

    /// Keeps a connection for the next mail, if it is as it was.
    async fn put_back(&self, mut line: Line, sent: Result<String, Failure>) -> Result<String, Error> {
        let is_usable = match &sent {
            Ok(_) => true,
            Err(failure) if failure.is_broken => false,
            // After a refusal the dialogue is where it was; `RSET` shows that the server agrees.
            Err(_) => {
                let reset = within(self.patience.command, line.connection.command(Rset)).await;
                reset.is_ok_and(|reset| reset.is_ok())
            }
        };
        if is_usable {
            line.used_at = Instant::now();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
        sent.map_err(|failure| failure.error)
    }

    /// A connection that was used before, and is still there as far as is known.
    async fn kept(&self) -> Option<Line> {
        loop {
            let mut kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let unused_for = kept.used_at.elapsed();
            if unused_for < ASKED_AFTER {
                return Some(kept);
            }
            let asked = within(self.patience.command, kept.connection.test_connected());
            if unused_for < DROPPED_AFTER && asked.await.is_ok_and(|answers| answers) {
                return Some(kept);
            }
        }
    }

    async fn connect(&self) -> Result<Line, Error> {
        let refused = |error: smtp::Error| classify(Step::Greeting, &error).error;
        let server = self.server();
        let mut connection = if self.tls == Tls::Wrapped {
            let (limit, tls) = (Some(self.patience.connect), Some(self.tls_parameters.clone()));
            AsyncSmtpConnection::connect_tokio1(server, limit, &self.hello, tls, None)
                .await
                .map_err(refused)?
        } else {
            let unreachable =
                |error: std::io::Error| Error::Later { answer: shown(&error.to_string()), is_ours: false };
            let stream = TcpStream::connect(server).await.map_err(unreachable)?;
            // A mail's last bytes must not wait for the acknowledgement of those before them.
            stream.set_nodelay(true).map_err(unreachable)?;
            AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello)
                .await
                .map_err(refused)?
        };
        let upgrades = match self.tls {
            Tls::Required => true,
            Tls::Opportunistic => connection.can_starttls(),
            Tls::Never | Tls::Wrapped => false,
        };
        if upgrades {
            connection.starttls(self.tls_parameters.clone(), &self.hello).await.map_err(refused)?;
        }
        // lettre keeps nothing of this answer that it does not know itself.
        let hello = connection.command(Ehlo::new(self.hello.clone())).await.map_err(refused)?;
        let takes_pipelines = hello.message().any(|line| line.eq_ignore_ascii_case("PIPELINING"));
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await.map_err(refused)?;
        }
        Ok(Line { connection, takes_pipelines, used_at: Instant::now() })
    }

    async fn transfer(&self, line: &mut Line, email: &Email) -> Result<String, Failure> {
        let connection = &mut line.connection;
        let limit = self.patience.command;
        let mut parameters = Vec::new();
        if [&email.from, &email.to].into_iter().any(|address| !is_ascii(address)) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let answer = "the server takes no addresses beyond ASCII (SMTPUTF8)".to_owned();
                return Err(Failure::kept(Step::Sender, Error::Refused { answer, is_policy: false }));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let sender = Mail::new(Some(email.from.clone()), parameters);
        let recipient = Rcpt::new(email.to.clone(), Vec::new());
        if line.takes_pipelines {
            let envelope = format!("{sender}{recipient}{Data}");
            let sender = answer_to(Step::Sender, limit, connection.command(envelope)).await;
            if sender.as_ref().is_err_and(|failure| failure.is_broken) {
                return sender;
            }
            let recipient = answer_to(Step::Recipient, limit, connection.read_response()).await;
            if recipient.as_ref().is_err_and(|failure| failure.is_broken) {
                return sender.and(recipient);
            }
            let data = answer_to(Step::Data, limit, connection.read_response()).await;
            // A server that wants the mail although it refused its envelope would take anything now for a mail.
            let is_astray = data.is_ok();
            sender.and(recipient).map_err(|failure| Failure { is_broken: is_astray, ..failure })?;
            data?;
        } else {
            answer_to(Step::Sender, limit, connection.command(sender)).await?;
            answer_to(Step::Recipient, limit, connection.command(recipient)).await?;
            answer_to(Step::Data, limit, connection.command(Data)).await?;
        }
        self.hand_over(connection, &email.source).await
    }

    /// Writes a mail, and hears what became of it. Until its end goes out a server cannot have taken it.
    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        source: &[u8],
    ) -> Result<String, Failure> {
        let (at_end, mut is_written) = oneshot::channel();
        let taking = connection.message_iter(Content { source: Some(source), at_end: Some(at_end) });
        tokio::pin!(taking);
        let writing = async {
            tokio::select! {
                biased;
                answer = &mut taking => Some(answer),
                _ = &mut is_written => None,
            }
        };
        let written = within(self.patience.to_write(source.len()), writing).await;
        match written {
            Ok(None) => answer_to(Step::End, self.patience.acceptance, taking).await,
            Ok(Some(answer)) => {
                heard(if is_written.try_recv().is_ok() { Step::End } else { Step::Content }, answer)
            }
            Err(TimedOut) => Err(timed_out(Step::Content)),
        }
    }
}

fn tls_parameters(host: &str, authority: Option<&[u8]>) -> Result<TlsParameters, UrlError> {
    let mut builder = TlsParameters::builder(host.trim_matches(['[', ']']).to_owned());
    if let Some(pem) = authority {
        builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(UrlError::TlsSetup)?);
    }
    builder.build().map_err(UrlError::TlsSetup)
}

async fn answer_to(
    step: Step,
    limit: Duration,
    command: impl Future<Output = Result<smtp::response::Response, smtp::Error>>,
) -> Result<String, Failure> {
    match within(limit, command).await {
        Ok(answer) => heard(step, answer),
        Err(TimedOut) => Err(timed_out(step)),
    }
}

fn heard(step: Step, answer: Result<smtp::response::Response, smtp::Error>) -> Result<String, Failure> {
    match answer {
        Ok(response) => Ok(shown(&response.message().collect::<Vec<_>>().join(" "))),
        Err(error) => Err(classify(step, &error)),
    }
}

struct TimedOut;

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, TimedOut> {
    tokio::time::timeout(limit, work).await.map_err(|_| TimedOut)
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
            ("smtp://mail.example?tls=starttls", 587, Tls::Required),
            ("smtps://u:p%40ss@mail.example", 465, Tls::Wrapped),
        ] {
            let smtp = smtp(url).expect(url);
            assert_eq!((smtp.port(), smtp.tls), (port, tls), "{url}");
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

    /// As one limit for both, 11 MB on a slow line were unknown each time, and so was what a filter looked at for longer.
    #[test]
    fn writing_has_time_by_the_megabyte_and_the_answer_as_long_as_the_standard_asks_for() {
        let patience = Patience::default();
        assert_eq!(patience.to_write(90_000), Duration::from_mins(3));
        assert_eq!(patience.to_write(11_000_000), Duration::from_mins(33));
        assert!(patience.acceptance >= Duration::from_mins(10));
    }
}
