//! Mails in a real browser: nothing overflows at the width of a desktop's reading pane and of a phone, light or dark.

use std::{path::Path, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use notifier::{
    message::{Message, Report},
    render::render,
};

use crate::support::{hostile_report, usual_report};

/// What stands in a mail of each kind.
fn reports() -> [(&'static str, Report); 3] {
    let mut long_words = usual_report();
    long_words.answer.headline = "x".repeat(300);
    long_words.answer.body =
        format!("{}\n\n`{}`\n\n|a|b|\n|-|-|\n|{0}|{0}|", "y".repeat(400), "z".repeat(400));
    [("usual", usual_report()), ("hostile", hostile_report()), ("long_words", long_words)]
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
            assert_eq!(measured["pictures"], 1, "{name}: the picture is shown");
            assert_eq!(measured["scripts"], 0, "{name}");
            assert_eq!(measured["links"], 2, "{name}: the thread and the unsubscribe page, nothing else");
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

/// Not a check but a look: `TIDINGS_MAIL_PICTURES=folder` keeps a picture of each mail in each width and colour scheme.
#[test]
fn mails_can_be_looked_at() {
    let Some(kept) = std::env::var_os("TIDINGS_MAIL_PICTURES") else { return };
    for (name, report) in reports() {
        for (audience, message) in
            [("full", Message::full(report.clone())), ("link", Message::link_only(report))]
        {
            for (width, is_dark) in [(600, false), (600, true), (390, false), (390, true)] {
                let folder = tempfile::tempdir().expect("a folder");
                let scheme = if is_dark { "dark" } else { "light" };
                let picture = Path::new(&kept).join(format!("{name}-{audience}-{width}-{scheme}.png"));
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
