//! Encrypted connections to a real SMTP server, and signatures held against a verifier that someone else wrote.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use notifier::{
    dkim::DkimKey,
    email::{Email, Letter, Sender},
    message::Message,
    transport::smtp::{Error, Patience, Smtp, Tls},
};
use secrecy::SecretString;
use tempfile::TempDir;

use crate::support::{SmtpServer, project_root, usual_report};

/// A folder with keys: see `mail_keys.py`.
fn keys() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let made = python("mail_keys.py").arg(folder.path()).status().expect("Python starts");
    assert!(made.success(), "keys are made");
    folder
}

fn python(script: &str) -> Command {
    let python = project_root().join(".tools/smtp/bin/python");
    assert!(python.exists(), "{} is missing: run `make tools-test`", python.display());
    let mut command = Command::new(python);
    command.args(["-W", "ignore"]).arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script));
    command
}

fn file(keys: &TempDir, name: &str) -> String {
    keys.path().join(name).to_string_lossy().into_owned()
}

fn smtp(server: &SmtpServer, tls: Tls, keys: &TempDir) -> Smtp {
    let authority = std::fs::read(keys.path().join("authority.pem")).expect("a certificate");
    let smtp = Smtp::new(&server.url("", ""), Patience::default()).expect("an SMTP URL").with_tls(tls);
    smtp.with_authority(&authority).expect("an authority")
}

fn mail(from: &Sender) -> Email {
    Letter {
        delivery_id: "019aa1b2-0000-7000-8000-00000000000a".parse().expect("an id"),
        conversation: "task-019aa1b2-0000-7000-8000-00000000000b",
        from,
        to: "reader@example.com",
        to_name: "Zoë Reader",
        sent_at: "2026-11-21T13:05:09Z".parse().expect("an instant"),
        message: &Message::full(usual_report()),
        attachment: None,
    }
    .build()
    .expect("a mail")
}

fn sender() -> Sender {
    Sender::parse("Tidings <tidings@mail.example>").expect("a sender")
}

/// With the authority left out of `with_authority`, each of these fails: the certificate is looked at.
#[tokio::test]
async fn starttls_and_tls_encrypt_what_they_send() {
    let keys = keys();
    let certificate = file(&keys, "server.pem");
    let starttls = SmtpServer::start(&["--certificate", &certificate]);
    for tls in [Tls::Required, Tls::Opportunistic] {
        let smtp = smtp(&starttls, tls, &keys);
        for _ in 0..2 {
            smtp.send(&mail(&sender())).await.expect("the server takes it");
            assert_eq!(starttls.event("accepted")["encrypted"], true, "{tls:?}");
        }
    }
    let plain = smtp(&starttls, Tls::Never, &keys).send(&mail(&sender())).await.expect_err("it wants TLS");
    assert!(matches!(plain, Error::Later { is_ours: true, .. }), "{plain:?}");

    let wrapped = SmtpServer::start(&["--certificate", &certificate, "--wrapped"]);
    smtp(&wrapped, Tls::Wrapped, &keys).send(&mail(&sender())).await.expect("the server takes it");
    assert_eq!(wrapped.event("accepted")["encrypted"], true);
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_gets_nothing() {
    let keys = keys();
    let server = SmtpServer::start(&["--certificate", &file(&keys, "server.pem")]);
    // Signed by nobody whom this machine trusts.
    let stranger = Smtp::new(&server.url("", "?tls=starttls"), Patience::default()).expect("an SMTP URL");
    let error = stranger.send(&mail(&sender())).await.expect_err("a refusal");
    assert!(matches!(error, Error::Later { .. }), "{error:?}");
    // Signed rightly, for another name.
    let url = server.url("", "?tls=starttls");
    let url = secrecy::ExposeSecret::expose_secret(&url).replace("127.0.0.1", "localhost");
    let authority = std::fs::read(keys.path().join("authority.pem")).expect("a certificate");
    let other = Smtp::new(&SecretString::from(url), Patience::default()).expect("an SMTP URL");
    let error = other.with_authority(&authority).expect("an authority").send(&mail(&sender())).await;
    assert!(matches!(error, Err(Error::Later { .. })), "{error:?}");
    assert!(server.into_events().iter().all(|event| event["event"] == "connected"));
}

fn verify(source: &[u8], name: &str, record: &Path) -> String {
    let mut verifier = python("verify_dkim.py")
        .arg(name)
        .arg(record)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    verifier.stdin.take().expect("its input").write_all(source).expect("it reads");
    let output = verifier.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_signature_holds_until_anything_that_a_reader_sees_is_changed() {
    let keys = keys();
    let name = "tidings._domainkey.mail.example";
    for kind in ["rsa", "ed25519"] {
        let pem = std::fs::read_to_string(keys.path().join(format!("{kind}.pem"))).expect("a key");
        let record = keys.path().join(format!("{kind}.txt"));
        let key = DkimKey::parse("mail.example", "tidings", &SecretString::from(pem)).expect("a key");
        let signing =
            sender().with_reply_to("Data team <data@mail.example>").expect("an address").with_dkim(key);
        let email = mail(&signing);
        assert_eq!(email.source, mail(&signing).source, "the same at each attempt");
        let source = String::from_utf8(email.source).expect("ASCII");
        assert!(source.lines().all(|line| line.len() <= 998));
        assert_eq!(verify(source.as_bytes(), name, &record), "valid", "{kind}");

        let without_signature = source.split_once("\r\nDate:").expect("a date").1;
        assert_eq!(verify(format!("Date:{without_signature}").as_bytes(), name, &record), "invalid");
        for (from, to) in [
            ("Subject: ", "Subject: Fwd: "),
            ("From: Tidings <tidings@", "From: Tidings <evil@"),
            ("/unsubscribe/", "/unsubscribed/"),
            ("List-Unsubscribe=One-Click", "List-Unsubscribe=Two-Click"),
            ("United Air", "Umited Air"),
            // One more of what must be there once.
            ("\r\nFrom: ", "\r\nFrom: Evil <evil@evil.example>\r\nFrom: "),
            ("\r\nDate: ", "\r\nSubject: Hello\r\nDate: "),
        ] {
            let changed = source.replacen(from, to, 1);
            assert_ne!(changed, source, "{from} is in the mail");
            assert_eq!(verify(changed.as_bytes(), name, &record), "invalid", "{kind}: {to}");
        }
    }
}
