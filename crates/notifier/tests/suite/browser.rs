//! Mails in a real browser: nothing overflows at the width of a desktop's reading pane and of a phone, light or dark.

use std::{path::Path, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::run::RunReason;
use notifier::{
    message::{Message, Report},
    no_news::NoNews,
    notice::{Details, Event, Notice},
    render::render,
};

use crate::support::{hostile_report, long_report, rtl_report, usual_report};

/// What stands in a mail of each kind.
fn reports() -> [(&'static str, Report); 5] {
    let mut long_words = usual_report();
    long_words.answer.headline = "x".repeat(300);
    long_words.answer.body =
        format!("{}\n\n`{}`\n\n|a|b|\n|-|-|\n|{0}|{0}|", "y".repeat(400), "z".repeat(400));
    [
        ("usual", usual_report()),
        ("hostile", hostile_report()),
        ("long_words", long_words),
        ("right_to_left", rtl_report()),
        ("long", long_report()),
    ]
}

/// The mail as a page of its own, its pictures inside.
fn page(message: &Message) -> String {
    let content_ids: Vec<String> =
        (1..=message.pictures.len()).map(|number| format!("chart-{number}@x")).collect();
    let mut html = render(message, &content_ids).html;
    for (picture, content_id) in message.pictures.iter().zip(&content_ids) {
        let data = format!("data:image/png;base64,{}", STANDARD.encode(&picture.png));
        html = html.replace(&format!("cid:{content_id}"), &data);
    }
    html
}

/// Runs Chromium over `page` and answers what it prints.
fn chromium(folder: &Path, page: &str, arguments: &[String]) -> String {
    let file = folder.join("page.html");
    std::fs::write(&file, page).expect("the page is written");
    let output = Command::new("/usr/bin/chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(arguments)
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("/usr/bin/chromium is missing: run `make tools-test`");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A page that shows `mail` in a frame of `width` pixels and writes what it measures into its title.
fn measuring_page(mail: &str, width: u32) -> String {
    format!(
        "<!doctype html><meta charset=utf-8><title>not measured</title>\
         <iframe id=frame style=\"border:0;width:{width}px;height:4000px\" src=\"data:text/html;base64,\"></iframe><script>\
         const frame = document.getElementById('frame');\
         frame.onload = () => {{ const page = frame.contentDocument; if (!page.querySelector('h1')) return;\
           const pictures = [...page.images];\
           const colour = (element) => getComputedStyle(element).color;\
           document.title = JSON.stringify({{\
             width: page.documentElement.scrollWidth,\
             pictures: pictures.filter(picture => picture.naturalWidth > 0).length,\
             ink: colour(page.querySelector('h1')),\
             paper: getComputedStyle(page.querySelector('.paper')).backgroundColor,\
             links: page.links.length, scripts: page.scripts.length }}); }};\
         frame.srcdoc = new TextDecoder().decode(Uint8Array.from(atob('{}'), c => c.charCodeAt(0)));</script>",
        STANDARD.encode(mail)
    )
}

fn measured(mail: &str, width: u32, is_dark: bool) -> serde_json::Value {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "--dump-dom".to_owned(),
        "--window-size=1200,4000".to_owned(),
        format!("--blink-settings=preferredColorScheme={}", i32::from(!is_dark)),
    ];
    let dom = chromium(folder.path(), &measuring_page(mail, width), &arguments);
    let title =
        dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
    serde_json::from_str(title).unwrap_or_else(|_| panic!("nothing was measured: {dom:.600}"))
}

#[test]
fn mails_fit_their_width_and_follow_the_readers_colours() {
    for (name, report) in reports() {
        let mail = page(&Message::full(report));
        for (width, is_dark) in [(600, false), (390, true)] {
            let measured = measured(&mail, width, is_dark);
            assert!(measured["width"].as_u64() <= Some(width.into()), "{name} at {width}: {measured}");
            let pictures = if name == "long" { 8 } else { 1 };
            assert_eq!(measured["pictures"], pictures, "{name}: the pictures are shown");
            assert_eq!(measured["scripts"], 0, "{name}");
            // The thread, once more where something was cut, and the unsubscribe page.
            let links = if name == "long" { 3 } else { 2 };
            assert_eq!(measured["links"], links, "{name}: no other links");
            let (ink, paper) = if is_dark {
                ("rgb(233, 233, 230)", "rgb(19, 21, 23)")
            } else {
                ("rgb(26, 28, 31)", "rgb(255, 255, 255)")
            };
            assert_eq!(
                (measured["ink"].as_str(), measured["paper"].as_str()),
                (Some(ink), Some(paper)),
                "{name}"
            );
        }
    }
}

/// Keeps a picture of each mail in each width and colour scheme in the folder that `TIDINGS_MAIL_PICTURES` names.
#[test]
#[ignore = "a look, not a check"]
fn mails_can_be_looked_at() {
    let kept = std::env::var_os("TIDINGS_MAIL_PICTURES").expect("a folder for the pictures");
    let failed = Notice {
        event: Event::Failed(RunReason::ConnectionFailed),
        details: Details::Told("could not connect to db.example.com: timed out"),
        task_title: "Airlines with the most flights",
        expires_at: None,
        task_url: "https://tidings.example.com/tasks/1".into(),
        at: "2026-11-21T13:05:00Z".parse().expect("an instant"),
        zone: chrono_tz::Europe::Berlin,
    };
    let quiet = NoNews {
        task_title: "Airlines with the most flights",
        condition: Some("the newest number of flights is below 500".into()),
        checks: Some(vec![(
            "2026-11-20T08:00:00Z".parse().expect("an instant"),
            "612 flights, which is not below 500".into(),
        )]),
        at: "2026-11-21T13:05:00Z".parse().expect("an instant"),
        zone: chrono_tz::Europe::Berlin,
        task_url: Some("https://tidings.example.com/tasks/1".into()),
        unsubscribe_url: Some("https://tidings.example.com/unsubscribe/x".into()),
        because: "You get this because the task is yours.".into(),
    };
    let mut messages = vec![("failure", failed.message()), ("no_news", quiet.message())];
    messages.push(("link_only", Message::link_only(usual_report())));
    messages.extend(reports().map(|(name, report)| (name, Message::full(report))));
    for (name, message) in messages {
        {
            for (width, is_dark) in [(600, false), (600, true), (390, false), (390, true)] {
                let folder = tempfile::tempdir().expect("a folder");
                let scheme = if is_dark { "dark" } else { "light" };
                let picture = Path::new(&kept).join(format!("{name}-{width}-{scheme}.png"));
                let arguments = [
                    format!("--screenshot={}", picture.display()),
                    format!("--window-size={width},1500"),
                    format!("--blink-settings=preferredColorScheme={}", i32::from(!is_dark)),
                ];
                let frame = format!(
                    "<!doctype html><body style=\"margin:0\"><iframe style=\"border:0;width:{width}px;height:1500px\" \
                     src=\"data:text/html;charset=utf-8;base64,{}\"></iframe>",
                    STANDARD.encode(page(&message))
                );
                chromium(folder.path(), &frame, &arguments);
                assert!(picture.exists());
            }
        }
    }
}
