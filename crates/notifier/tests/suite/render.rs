//! What messages look like, as golden files: `UPDATE_GOLDEN=1` writes them anew, to be read before they are committed.

use std::path::Path;

use crate::support::{hostile_report, long_report, rtl_report, usual_report};
use domain::run::RunReason;
use notifier::{
    message::{Message, Picture, Report},
    no_news::NoNews,
    notice::{Details, Event, Notice},
    render::{HTML_BYTES_MAX, render},
};

fn content_ids(message: &Message) -> Vec<String> {
    (1..=message.pictures.len()).map(|number| format!("chart-{number}.x@tidings.example.com")).collect()
}

pub(crate) fn check_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).expect("the golden file is written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{name} changed; look at it with UPDATE_GOLDEN=1 and git diff\n{actual}");
}

fn check_both(name: &str, message: &Message) {
    let rendered = render(message, &content_ids(message));
    check_golden(&format!("{name}.html"), &rendered.html);
    check_golden(&format!("{name}.txt"), &rendered.text);
}

#[test]
fn a_usual_message() {
    check_both("usual", &Message::full(usual_report()));
}

#[test]
fn a_link_only_message() {
    check_both("link_only", &Message::link_only(usual_report()));
}

#[test]
fn a_message_from_right_to_left() {
    check_both("right_to_left", &Message::full(rtl_report()));
}

#[test]
fn a_long_message() {
    let mut message = Message::full(long_report());
    message.add_note("The table is too large to go along as a CSV file. Download it from the thread.");
    check_both("long", &message);
}

#[test]
fn a_message_with_every_kind_of_text() {
    let mut report = usual_report();
    report.answer.body = "# Heading\n\nText with *emphasis*, **weight**, ~~error~~ and `code {{f2}}`.  \nA new line.\n\n\
        1. First\n   - inner {{f1}}\n   - inner\n2. Second\n\n   With a paragraph.\n\n> Quoted\n>\n> > Twice\n\n---\n\n\
        | airline | flights |\n|---|--:|\n| United | {{f2}} |\n| *JetBlue* | {{f5}} |\n\n```\nselect 1\n  from t\n```\n"
        .into();
    report.pictures.clear();
    report.results.clear();
    report.unsubscribe_url = None;
    check_both("every_kind", &Message::full(report));
}

#[test]
fn a_notice() {
    let notice = Notice {
        event: Event::Failed(RunReason::ConnectionFailed),
        details: Details::Told("could not connect to db.example.com: timed out"),
        task_title: "Airlines with the most flights",
        expires_at: None,
        task_url: "https://tidings.example.com/tasks/019aa1b2-0000-7000-8000-000000000001".into(),
        at: "2026-11-21T13:05:00Z".parse().expect("an instant"),
        zone: chrono_tz::Europe::Berlin,
    };
    check_both("notice", &notice.message());
}

#[test]
fn a_message_of_stale_data_that_says_why_it_was_sent() {
    let mut report = usual_report();
    let stale =
        "Data as of Fri 20 Nov 2026, 06:00 (Europe/Berlin), older than the 24 hours allowed for Flights.";
    report.answer.stale = Some(stale.into());
    report.answer.caveats.insert(0, stale.into());
    report.answer.why = Some("Sent because flights 58,665 is above 50,000.".into());
    let message = Message::full(report.clone());
    check_both("stale", &message);
    let text = render(&message, &content_ids(&message)).text;
    assert_eq!(
        text.matches("Data as of Fri 20 Nov").count(),
        1,
        "a caveat that is the banner is not said twice"
    );
    let message = Message::link_only(report);
    let text = render(&message, &[]).text;
    assert!(!text.contains("58,665") && !text.contains("20 Nov"), "{text}");
}

#[test]
fn a_week_without_news() {
    let at = |text: &str| text.parse().expect("an instant");
    let mut word = NoNews {
        task_title: "Airlines with\r\nthe most flights",
        condition: Some("flights is below 500".into()),
        checks: Some(vec![
            (at("2026-11-19T08:05:00Z"), "flights 612 is not below 500".into()),
            (
                at("2026-11-20T08:05:00Z"),
                "<b>flights</b> 540 is not below 500, see https://evil.example/x".into(),
            ),
        ]),
        at: at("2026-11-20T08:05:00Z"),
        zone: chrono_tz::Europe::Berlin,
        task_url: Some("https://tidings.example.com/tasks/019aa1b2-0000-7000-8000-000000000001".into()),
        unsubscribe_url: Some("https://tidings.example.com/unsubscribe/1".into()),
        because: "You get this because the task is yours.".into(),
    };
    check_both("no_news", &word.message());
    // Who may not see figures learns that the task is alive, and nothing of its data.
    (word.condition, word.checks, word.task_url) = (None, None, None);
    let rendered = render(&word.message(), &[]);
    assert!(!rendered.text.contains("612") && !rendered.text.contains("500"), "{}", rendered.text);
    // Other runs of that week may have failed.
    assert!(!rendered.text.contains("as planned"), "{}", rendered.text);
}

#[test]
fn a_notice_of_a_skipped_day() {
    let notice = Notice {
        event: Event::StaleData(chrono::NaiveDate::from_ymd_opt(2026, 11, 21)),
        details: Details::Told(
            "The newest loaded_at of orders is 2026-11-19 06:00 UTC: 2 days old, where 24 hours are allowed.",
        ),
        task_title: "Airlines with the most flights",
        expires_at: None,
        task_url: "https://tidings.example.com/tasks/019aa1b2-0000-7000-8000-000000000001".into(),
        at: "2026-11-21T10:45:00Z".parse().expect("an instant"),
        zone: chrono_tz::Europe::Berlin,
    };
    check_both("notice_stale", &notice.message());
}

#[test]
fn an_empty_answer_still_makes_a_message() {
    let mut report = usual_report();
    report.answer = domain::answer::Answer { headline: "No flights were late.".into(), ..Default::default() };
    report.results.clear();
    report.pictures.clear();
    check_both("empty", &Message::full(report));
}

/// The words of the page that is not markup.
fn markup(html: &str) -> String {
    let mut markup = String::new();
    let mut is_in_tag = false;
    for character in html.chars() {
        match character {
            '<' => is_in_tag = true,
            '>' => is_in_tag = false,
            _ => {}
        }
        if is_in_tag {
            markup.push(character);
        }
    }
    markup
}

#[test]
fn nothing_from_data_becomes_markup_or_a_link() {
    for message in [Message::full(hostile_report()), Message::link_only(hostile_report())] {
        let rendered = render(&message, &content_ids(&message));
        assert!(
            rendered.html.contains("class=\"headline"),
            "the plain card was sent instead: {}",
            rendered.html
        );
        let markup = markup(&rendered.html).to_lowercase();
        for forbidden in
            ["<script", "evil.example", "javascript", "onclick", "<b ", "<mj-", "http-equiv=\"refresh"]
        {
            let without_alt = markup.replace("https:\u{200b}//evil\u{200b}.example", "");
            assert!(!without_alt.contains(forbidden), "{forbidden} got through: {markup}");
        }
        for target in markup.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(target.starts_with("https://tidings.example.com/"), "a foreign link: {target}");
        }
        for source in markup.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(source.starts_with("cid:"), "a foreign picture: {source}");
        }
        for linkable in ["https://evil", "www.evil", "evil.example", "me@"] {
            assert!(
                !rendered.html.contains(linkable) && !rendered.text.contains(linkable),
                "{linkable} is linkable"
            );
        }
        assert!(!rendered.text.contains(['\u{202e}', '\0', '\r']));
    }
}

#[test]
fn a_link_only_message_holds_no_figure_in_any_part() {
    let message = Message::link_only(usual_report());
    let rendered = render(&message, &content_ids(&message));
    for hidden in ["58,665", "4,030", "73.4", "54,635", "JetBlue Airways", "Cancelled", "cid:"] {
        assert!(!rendered.html.contains(hidden) && !rendered.text.contains(hidden), "{hidden} is shown");
    }
}

#[test]
fn unchecked_figures_are_marked_and_explained() {
    let message = Message::full(usual_report());
    let rendered = render(&message, &content_ids(&message));
    assert_eq!(
        rendered.html.matches("title=\"not found in the data\"").count(),
        2,
        "the figure and the explanation"
    );
    assert!(rendered.text.contains("2.1% [unchecked]") && rendered.text.contains("[unchecked]: this figure"));
}

#[test]
fn a_message_never_outgrows_what_gmail_shows_and_says_that_it_was_cut() {
    let long: [fn(&mut Report); 5] = [
        |report| report.answer.body = "word ".repeat(200_000),
        |report| report.answer.body = "- {{f1}}\n".repeat(20_000),
        |report| report.answer.body = format!("|a|b|\n|-|-|\n{}", "|{{f2}}|<<<<<|\n".repeat(20_000)),
        |report| report.answer.body = "&".repeat(500_000),
        |report| report.answer.headline = "\"".repeat(300_000),
    ];
    for (position, lengthen) in long.into_iter().enumerate() {
        let mut report = usual_report();
        lengthen(&mut report);
        report.pictures = vec![report.pictures[0].clone(); 30];
        report.answer.caveats = vec!["'".repeat(10_000); 100];
        let message = Message::full(report);
        let rendered = render(&message, &content_ids(&message));
        assert!(rendered.html.len() <= HTML_BYTES_MAX, "case {position}: {} bytes", rendered.html.len());
        for part in [&rendered.html, &rendered.text] {
            let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                part.contains("The whole answer is in the thread"),
                "case {position} does not say that it was cut"
            );
            assert!(part.contains("22 more charts are in the thread"), "case {position}");
            assert!(part.contains("https://tidings.example.com/unsubscribe/"), "case {position}");
        }
    }
}

#[test]
fn pictures_are_parts_of_the_mail_with_a_width_for_outlook() {
    let mut report = usual_report();
    let wide = Picture { width: 900, ..report.pictures[0].clone() };
    report.pictures.push(wide);
    let message = Message::full(report);
    let html = render(&message, &content_ids(&message)).html;
    assert!(
        html.contains("src=\"cid:chart-1.x@tidings.example.com\"") && html.contains("src=\"cid:chart-2.x@")
    );
    assert_eq!(html.matches("width=\"552\"").count(), 2, "both as wide as the column, the second one shrunk");
}
