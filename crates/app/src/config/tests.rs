use std::collections::HashMap;

use notifier::transport::smtp::Tls;

use super::*;

fn load(variables: &[(&str, &str)]) -> anyhow::Result<Config> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    Config::from_parts(Some(Path::new("/nonexistent/tidings.toml")), |name| {
        variables.get(name).map(|text| (*text).to_owned())
    })
}

#[test]
fn the_defaults_are_valid_and_the_environment_overlays_them() {
    let config = load(&[
        ("TIDINGS_DATA_DIR", "/data"),
        ("TIDINGS_LISTEN", "0.0.0.0:9000"),
        ("TIDINGS_SPREAD_MINUTES", "0"),
        ("TIDINGS_FILES_ALLOWED", "/a:/b"),
    ])
    .expect("valid settings");
    assert_eq!(config.server.public_url, "http://0.0.0.0:9000");
    assert_eq!(config.scheduler.spread, chrono::TimeDelta::zero());
    assert_eq!(config.data.files_allowed, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert!(matches!(config.model.provider, Provider::Builtin));
    assert!(config.database.url.is_none());
}

#[test]
fn a_key_or_a_base_url_chooses_the_openai_provider() {
    let config = load(&[
        ("TIDINGS_DATA_DIR", "/data"),
        ("OPENAI_API_KEY", "canary-key"),
        ("TIDINGS_MODEL_NAME", "some-model"),
    ])
    .expect("valid settings");
    assert!(matches!(&config.model.provider, Provider::OpenAi { name, .. } if name == "some-model"));
    assert!(!format!("{config:?}").contains("canary-key"), "a secret shows when printed");
}

#[test]
fn a_fallback_is_whole_and_stands_behind_another_provider() {
    let data = ("TIDINGS_DATA_DIR", "/data");
    let first = [("OPENAI_API_KEY", "canary-one"), ("TIDINGS_MODEL_NAME", "some-model")];
    let second = [("TIDINGS_FALLBACK_API_KEY", "canary-two"), ("TIDINGS_FALLBACK_NAME", "another")];
    let config = load(&[data, first[0], first[1], second[0], second[1]]).expect("valid settings");
    assert!(!format!("{config:?}").contains("canary"), "a secret shows when printed");
    assert_eq!(config.model.fallback.map(|fallback| fallback.name), Some("another".to_owned()));
    let alone = load(&[data, second[0], second[1]]).expect_err("a refusal");
    assert!(format!("{alone:#}").contains("needs no fallback"), "{alone:#}");
    assert!(load(&[data, first[0], first[1]]).expect("valid settings").model.fallback.is_none());
    for (given, missing) in [(second[0], "TIDINGS_FALLBACK_NAME"), (second[1], "TIDINGS_FALLBACK_BASE_URL")] {
        let error = load(&[data, first[0], first[1], given]).expect_err("a refusal");
        assert!(format!("{error:#}").contains(missing), "{error:#}");
    }
}

#[test]
fn a_key_to_sign_with_needs_its_selector_and_shows_nowhere() {
    let key = ("TIDINGS_DKIM_KEY", "canary-key");
    let error = load(&[("TIDINGS_DATA_DIR", "/data"), key]).expect_err("a refusal");
    assert!(format!("{error:#}").contains("TIDINGS_DKIM_SELECTOR"));
    let config = load(&[("TIDINGS_DATA_DIR", "/data"), key, ("TIDINGS_DKIM_SELECTOR", "tidings")]);
    let config = config.expect("valid settings");
    assert_eq!(config.mail.dkim.as_ref().map(|dkim| dkim.selector.as_str()), Some("tidings"));
    assert!(!format!("{config:?}").contains("canary-key"));
    let tls =
        |text| load(&[("TIDINGS_DATA_DIR", "/data"), ("TIDINGS_MAIL_TLS", text)]).expect("valid").mail.tls;
    assert_eq!(
        (tls("none"), tls("starttls"), tls("tls")),
        (Some(Tls::Never), Some(Tls::Required), Some(Tls::Wrapped))
    );
    assert_eq!(tls(""), None);
}

#[test]
fn a_slack_app_is_whole_or_absent() {
    let app = [
        ("TIDINGS_SLACK_CLIENT_ID", "1.2"),
        ("TIDINGS_SLACK_CLIENT_SECRET", "canary-one"),
        ("TIDINGS_SLACK_SIGNING_SECRET", "canary-two"),
    ];
    let data = ("TIDINGS_DATA_DIR", "/data");
    assert!(load(&[data]).expect("valid settings").slack.is_none());
    let config = load(&[data, app[0], app[1], app[2]]).expect("valid settings");
    assert!(!format!("{config:?}").contains("canary"), "a secret shows when printed");
    assert_eq!(config.slack.expect("an app").base_url.as_str(), "https://slack.com/api/");
    for missing in 0..3 {
        let mut given = vec![data];
        given.extend(app.iter().enumerate().filter(|(index, _)| *index != missing).map(|(_, one)| *one));
        let error = load(&given).expect_err("a refusal");
        assert!(format!("{error:#}").contains(app[missing].0), "{error:#}");
    }
}

#[test]
fn prices_are_a_table_of_models() {
    let config = load(&[("TIDINGS_DATA_DIR", "/data")]).expect("valid settings");
    assert_eq!(config.model.prices, [], "nothing costs anything");
    let table =
        r#"[{ model = "openai:gpt-5", in = 1.25, out = 10 }, { model = "openai:", in = 1, out = 4 }]"#;
    let config = load(&[("TIDINGS_DATA_DIR", "/data"), ("TIDINGS_MODEL_PRICES", table)]);
    let prices = config.expect("valid settings").model.prices;
    let first = ModelPrice { model: "openai:gpt-5".into(), sent: 1.25, received: 10.0 };
    assert_eq!((prices.len(), &prices[0]), (2, &first));
}

#[test]
fn who_answers_in_the_place_of_a_model_with_a_price_has_one_too() {
    let first = [("OPENAI_API_KEY", "canary-one"), ("TIDINGS_MODEL_NAME", "large")];
    let fallback = [("TIDINGS_FALLBACK_API_KEY", "canary-two"), ("TIDINGS_FALLBACK_NAME", "other")];
    let cheaper = [("TIDINGS_MODEL_CHEAPER_NAME", "small")];
    let of = |others: &[(&'static str, &'static str)], prices: &'static str| {
        let own = [("TIDINGS_DATA_DIR", "/data"), ("TIDINGS_MODEL_PRICES", prices)];
        load(&[&own[..], &first[..], others].concat())
    };
    let one = r#"[{ model = "openai:large", in = 1, out = 4 }]"#;
    for others in [&fallback[..], &cheaper[..]] {
        let variable = others[others.len() - 1].0;
        let error = of(others, one).expect_err("a refusal");
        assert!(format!("{error:#}").contains(variable), "{error:#}");
        of(others, "[]").expect("nothing costs anything");
        of(others, r#"[{ model = "openai:", in = 1, out = 4 }]"#).expect("all cost the same");
    }
}

#[test]
fn what_is_wrong_names_its_variable() {
    for (name, text) in [
        ("TIDINGS_LISTEN", "here"),
        ("TIDINGS_PUBLIC_URL", "tidings.example"),
        ("TIDINGS_SPREAD_MINUTES", "91"),
        ("TIDINGS_SPREAD_MINUTES", "many"),
        ("TIDINGS_LEASE_SECONDS", "1"),
        ("TIDINGS_LEASE_SECONDS", "601"),
        ("TIDINGS_MODEL_PROVIDER", "psychic"),
        ("TIDINGS_SMTP_URL", "mail.example:25"),
        ("TIDINGS_MAIL_TLS", "perhaps"),
        ("TIDINGS_MAIL_CONNECTIONS", "0"),
        ("TIDINGS_SLACK_BASE_URL", "https://slack.example/api"),
        ("DATABASE_URL", "mysql://x"),
        ("TIDINGS_LOG_FORMAT", "xml"),
        ("TIDINGS_REQUESTS_AT_ONCE", "0"),
        ("TIDINGS_BODY_SECONDS", "61"),
        ("TIDINGS_STREAMS", "many"),
        ("TIDINGS_WEBHOOK_ADDRESSES", "10.0.0.1, intranet"),
        ("TIDINGS_REQUEST_WAIT_MILLIS", "30001"),
        ("TIDINGS_DATABASE_WAIT_MILLIS", "99"),
        ("TIDINGS_DATABASE_MAX_CONNECTIONS", "7"),
        ("TIDINGS_BREAKER_FAILURES", "0"),
        ("TIDINGS_BREAKER_REST_SECONDS", "3601"),
        ("TIDINGS_MODEL_SILENCE_SECONDS", "4"),
        ("TIDINGS_MODEL_SILENCE_SECONDS", "241"),
        ("TIDINGS_MODEL_CHEAPER_NAME", "small"),
        ("TIDINGS_MODEL_ADDRESSES", "10.0.0.1, intranet"),
        ("TIDINGS_MODEL_PRICES", "cheap"),
        ("TIDINGS_MODEL_PRICES", r#"[{ model = " ", in = 1, out = 1 }]"#),
        ("TIDINGS_MODEL_PRICES", r#"[{ model = "openai:", in = -1, out = 1 }]"#),
        ("TIDINGS_MODEL_PRICES", r#"[{ model = "openai:", in = 1, out = nan }]"#),
        (
            "TIDINGS_MODEL_PRICES",
            r#"[{ model = "openai:", in = 1, out = 1 }, { model = "openai:", in = 2, out = 2 }]"#,
        ),
    ] {
        let error = load(&[("TIDINGS_DATA_DIR", "/data"), (name, text)]).expect_err("a refusal");
        assert!(format!("{error:#}").contains(name), "{name}: {error:#}");
    }
}

#[test]
fn every_variable_names_a_setting() {
    let defaults = Figment::from(Toml::string(DEFAULTS));
    for (name, path) in VARIABLES {
        assert!(defaults.find_value(path).is_ok(), "{name}: {path}");
        assert!(DEFAULTS.contains(name), "{name} is not in the default file");
    }
}
