//! A message as an HTML document, by way of MJML: tables and inline styles for Outlook and Gmail, one column of 600
//! pixels, colours of the page's tokens in light and dark.

use super::{
    inert::{clip, escape},
    markdown::{self, Block, Inline},
    table::{ShortTable, short_table},
};
use crate::message::{Message, Picture};

/// The width of what is inside the margins, in pixels.
const CONTENT_WIDTH: u32 = 552;
const SANS: &str = "Inter, -apple-system, BlinkMacSystemFont, 'Segoe UI', Helvetica, Arial, sans-serif";
const MONO: &str = "ui-monospace, 'SF Mono', Menlo, Consolas, monospace";

const PAPER: &str = "#ffffff";
const INK: &str = "#1a1c1f";
const INK_2: &str = "#4f5358";
const INK_3: &str = "#66696e";
const LINE: &str = "#e5e5e0";
const LINE_STRONG: &str = "#cfcfc9";
const SUNK: &str = "#f4f4f0";
const ACCENT: &str = "#0a6270";
const WARN: &str = "#7a5000";
const WARN_SOFT: &str = "#faf2df";

/// Inline styles carry the light colours; these classes change them where the reader prefers dark. Outlook.com marks its
/// dark mode by `data-ogsc` instead of the media query.
const DARK: &[(&str, &str)] = &[
    (".paper", "background-color:#131517 !important"),
    (".ink, .ink td", "color:#e9e9e6 !important"),
    (".ink-2", "color:#b0b4b9 !important"),
    (".ink-3, .ink-3 th", "color:#969ba1 !important"),
    (".line, .line td", "border-color:#2a2e32 !important"),
    (".line-strong, .line-strong th", "border-color:#3d4247 !important"),
    (".sunk", "background-color:#1a1d1f !important"),
    (".accent", "color:#74c7d1 !important"),
    (".warn", "color:#e4b869 !important;background-color:#31270f !important"),
    (".press td", "background-color:#74c7d1 !important"),
    (".press a", "background-color:#74c7d1 !important;color:#06262b !important"),
];

/// The whole document. `text` is the same message in plain text.
pub(super) fn document(message: &Message, content_ids: &[String], is_cut: bool, text: &str) -> String {
    match from_template(&template(message, content_ids, is_cut)) {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(error, "the mail template was refused; a plain card is sent instead");
            plain_card(message, text)
        }
    }
}

fn from_template(template: &str) -> Result<String, String> {
    let options = mrml::prelude::render::RenderOptions {
        disable_comments: true,
        fonts: std::collections::HashMap::new(),
        ..Default::default()
    };
    let parsed = mrml::parse(template).map_err(|error| error.to_string())?;
    parsed.element.render(&options).map_err(|error| error.to_string())
}

/// What is sent when MJML's reader refuses a template (a value escaped wrongly): nothing is lost but the looks.
fn plain_card(message: &Message, text: &str) -> String {
    let link = |url: &str, label: &str| format!("<p><a href=\"{}\">{}</a></p>", escape(url), escape(label));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body style=\"font:15px/1.5 {font};color:{INK};background:{PAPER};max-width:{CONTENT_WIDTH}px;margin:24px auto;\
         padding:0 24px\"><div style=\"white-space:pre-wrap\">{text}</div>{action}{unsubscribe}</body></html>",
        title = escape(&message.title),
        font = escape(SANS),
        text = escape(text),
        action = message.action.as_ref().map(|(label, url)| link(url, label)).unwrap_or_default(),
        unsubscribe =
            message.unsubscribe_url.as_ref().map(|url| link(url, "Unsubscribe")).unwrap_or_default(),
    )
}

fn template(message: &Message, content_ids: &[String], is_cut: bool) -> String {
    let headline = markdown::words(&message.headline);
    format!(
        "<mjml lang=\"en\"><mj-head><mj-title>{title}</mj-title><mj-preview>{preview}</mj-preview>\
         <mj-raw><meta name=\"color-scheme\" content=\"light dark\" />\
         <meta name=\"supported-color-schemes\" content=\"light dark\" />\
         <meta name=\"format-detection\" content=\"telephone=no,date=no,address=no,email=no,url=no\" /></mj-raw>\
         <mj-attributes><mj-all font-family=\"{SANS}\" padding=\"0\" />\
         <mj-text color=\"{INK}\" font-size=\"16px\" line-height=\"25px\" padding=\"0 24px\" />\
         <mj-image align=\"left\" border-radius=\"4px\" padding=\"8px 24px 16px\" />\
         <mj-button align=\"left\" padding=\"16px 24px 28px\" inner-padding=\"11px 18px\" background-color=\"{ACCENT}\" \
         color=\"#ffffff\" font-size=\"15px\" font-weight=\"600\" line-height=\"20px\" border-radius=\"6px\" />\
         </mj-attributes><mj-style>{style}</mj-style></mj-head>\
         <mj-body width=\"600px\" background-color=\"{PAPER}\" css-class=\"paper\">\
         <mj-section padding=\"28px 0\"><mj-column>{content}</mj-column></mj-section></mj-body></mjml>",
        title = escape(&message.title),
        preview = escape(&clip(&headline, 180)),
        style = style(),
        content = content(message, content_ids, is_cut),
    )
}

fn style() -> String {
    let dark: Vec<String> =
        DARK.iter().map(|(classes, rules)| format!("{classes} {{ {rules}; }} ")).collect();
    let marked: Vec<String> = DARK
        .iter()
        .map(|(classes, rules)| {
            let classes: Vec<String> =
                classes.split(", ").map(|class| format!("[data-ogsc] {class}")).collect();
            format!("{} {{ {rules}; }} ", classes.join(", "))
        })
        .collect();
    format!(
        ":root {{ color-scheme: light dark; supported-color-schemes: light dark; }} \
         .flow {{ overflow-wrap: break-word; }} \
         @media only screen and (max-width: 479px) {{ \
         .headline {{ font-size: 21px !important; line-height: 28px !important; }} \
         .cells td {{ font-size: 13px !important; }} \
         .cells td, .cells th {{ padding-right: 8px !important; }} }} \
         @media (prefers-color-scheme: dark) {{ body {{ background-color: #131517 !important; }} {} }} {}",
        dark.concat(),
        marked.concat(),
    )
}

fn content(message: &Message, content_ids: &[String], is_cut: bool) -> String {
    let headline = line(&message.headline);
    let mut content = vec![text_element(&format!(
        "<p class=\"ink-3\" style=\"margin:0 0 10px;font-size:13px;line-height:18px;color:{INK_3}\">\
         <span class=\"accent\" style=\"color:{ACCENT};font-weight:600\">{}</span>&#160;&#160;{}</p>\
         <h1 class=\"headline ink\"{} style=\"margin:0 0 18px;font-size:24px;line-height:32px;font-weight:600;\
         letter-spacing:-0.01em;color:{INK}\">{}</h1>",
        escape(&message.title),
        escape(&message.date),
        direction(&headline),
        headline,
    ))];
    if let Some(banner) = &message.banner {
        let banner = line(banner);
        content.push(text_element(&format!(
            "<p class=\"warn\"{} style=\"margin:0 0 18px;padding:10px 12px;background-color:{WARN_SOFT};font-size:14px;\
             line-height:21px;color:{WARN}\">{banner}</p>",
            direction(&banner)
        )));
    }
    if !message.body.is_empty() {
        content.push(text_element(&blocks(&message.body)));
    }
    for (picture, content_id) in message.pictures.iter().zip(content_ids) {
        content.push(image_element(picture, content_id));
    }
    if let Some(excerpt) = &message.table {
        content.push(text_element(&data_table(&short_table(excerpt))));
    }
    let notes = notes(message, is_cut);
    if !notes.is_empty() {
        content.push(text_element(&notes));
    }
    if let Some((label, url)) = &message.action {
        content.push(format!(
            "<mj-button css-class=\"press\" href=\"{}\">{}</mj-button>",
            escape(url),
            escape(label)
        ));
    }
    content.push(text_element(&footer(message)));
    content.concat()
}

fn text_element(html: &str) -> String {
    format!(
        "<mj-text css-class=\"flow\"><div class=\"ink\" style=\"color:{INK};font-variant-numeric:tabular-nums\">{html}</div>\
         </mj-text>"
    )
}

fn image_element(picture: &Picture, content_id: &str) -> String {
    format!(
        "<mj-image src=\"cid:{}\" alt=\"{}\" width=\"{}px\" />",
        escape(content_id),
        escape(&clip(&format!("{}. {}", picture.title.trim_end_matches('.'), picture.alt), 600)),
        picture.width.clamp(1, CONTENT_WIDTH),
    )
}

fn notes(message: &Message, is_cut: bool) -> String {
    let mut points = Vec::new();
    if is_cut {
        points.push(format!("This message was too long for a mail and was cut. {}", whole_answer(message)));
    }
    if message.pictures_left_out > 0 {
        points.push(format!("{} more charts are in the thread.", message.pictures_left_out));
    }
    if message.has_unchecked_figures() {
        points
            .push(format!("{} A figure marked like this was not found in the data.", unchecked("Unchecked")));
    }
    points.extend(message.notes.iter().map(|note| line(note)));
    let points: Vec<String> = points
        .iter()
        .map(|point| {
            format!(
                "<p class=\"ink-2 line-strong\"{} style=\"margin:0 0 10px;padding:0 12px;border-{}:2px solid \
                 {LINE_STRONG};font-size:14px;line-height:21px;color:{INK_2}\">{point}</p>",
                direction(point),
                start(point),
            )
        })
        .collect();
    points.concat()
}

/// Where the rest of a cut message is.
fn whole_answer(message: &Message) -> String {
    let words = "The whole answer is in the thread.";
    let Some((_, url)) = &message.action else { return words.to_owned() };
    format!("<a class=\"accent\" href=\"{}\" style=\"color:{ACCENT}\">{words}</a>", escape(url))
}

fn footer(message: &Message) -> String {
    let provenance: Vec<String> =
        message.provenance.iter().map(|line| format!("{}<br />", escape(line))).collect();
    let unsubscribe = message.unsubscribe_url.as_ref().map(|url| {
        format!(
            " <a class=\"ink-3\" href=\"{}\" style=\"color:{INK_3};text-decoration:underline\">Unsubscribe</a>",
            escape(url)
        )
    });
    format!(
        "<div class=\"line ink-3\" style=\"border-top:1px solid {LINE};padding:14px 0 0;font-size:12px;line-height:18px;\
         color:{INK_3}\">{}{}{}</div>",
        provenance.concat(),
        escape(&message.because),
        unsubscribe.unwrap_or_default(),
    )
}

fn data_table(table: &ShortTable) -> String {
    // A long name may break after its underscores.
    let head: Vec<String> = table.head.iter().map(|name| escape(&name.replace('_', "_\u{200b}"))).collect();
    let rows: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()).collect();
    let left_out = table.left_out.as_ref().map(|left_out| {
        format!(
            "<p class=\"ink-3\" style=\"margin:-8px 0 18px;font-size:13px;line-height:18px;color:{INK_3}\">{}</p>",
            escape(left_out)
        )
    });
    cells(&head, &rows, &table.flush_right, "word-break:normal;") + &left_out.unwrap_or_default()
}

/// A table with hairlines between its rows. Takes HTML, and how its words break.
fn cells(head: &[String], rows: &[Vec<String>], flush_right: &[bool], breaks: &str) -> String {
    let cell = |tag: &str, column: usize, content: &str, style: &str| {
        let is_right = flush_right.get(column).copied().unwrap_or(false);
        let is_last = column + 1 == head.len();
        format!(
            "<{tag} align=\"{align}\"{} style=\"text-align:{align};padding:7px {gap} 7px 0;{wrap}{style}\">{content}</{tag}>",
            if reads_from_right(content) { " dir=\"rtl\"" } else { "" },
            align = if is_right { "right" } else { "left" },
            gap = if is_last { "0" } else { "16px" },
            wrap = if tag == "td" && is_short(content) { "white-space:nowrap;" } else { breaks },
        )
    };
    let mut html = String::from(
        "<table class=\"cells\" width=\"100%\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" style=\"width:100%;\
         border-collapse:collapse;margin:4px 0 18px;font-size:14px;line-height:20px\">\
         <thead><tr class=\"line-strong ink-3\">",
    );
    let head_style = format!(
        "border-bottom:1px solid {LINE_STRONG};font-size:12px;line-height:16px;font-weight:600;color:{INK_3};vertical-align:bottom"
    );
    for (column, name) in head.iter().enumerate() {
        html.push_str(&cell("th", column, name, &head_style));
    }
    html.push_str("</tr></thead><tbody>");
    let row_style = format!("border-bottom:1px solid {LINE};color:{INK};vertical-align:top");
    for row in rows {
        html.push_str("<tr class=\"line ink\">");
        for (column, text) in row.iter().enumerate() {
            html.push_str(&cell("td", column, text, &row_style));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table>");
    html
}

/// Numbers and dates stay on one line.
fn is_short(cell: &str) -> bool {
    cell.len() <= 20 && cell.bytes().any(|byte| byte.is_ascii_digit()) && !cell.contains("<br")
}

fn blocks(blocks: &[Block]) -> String {
    blocks.iter().map(block).collect()
}

fn block(block: &Block) -> String {
    match block {
        Block::Paragraph(inlines) => {
            let text = line(inlines);
            format!("<p{} style=\"margin:0 0 14px\">{text}</p>", direction(&text))
        }
        Block::Heading(level, inlines) => {
            let size = if *level <= 2 { 18 } else { 16 };
            let text = line(inlines);
            format!(
                "<h2 class=\"ink\"{} style=\"margin:20px 0 8px;font-size:{size}px;line-height:25px;font-weight:600;color:{INK}\">{text}</h2>",
                direction(&text)
            )
        }
        Block::List { first, items } => {
            let (tag, start) = match first {
                Some(first) => ("ol", format!(" start=\"{first}\"")),
                None => ("ul", String::new()),
            };
            let items: Vec<String> = items
                .iter()
                .map(|item| format!("<li style=\"margin:0 0 6px\">{}</li>", tight(item)))
                .collect();
            let items = items.concat();
            let (side, direction) = (self::start(&items), direction(&items));
            format!(
                "<{tag}{start}{direction} style=\"margin:0 0 14px;padding:0;padding-{side}:22px\">{items}</{tag}>"
            )
        }
        Block::Quote(inner) => {
            let inside = blocks(inner);
            format!(
                "<div class=\"line-strong ink-2\" style=\"margin:0 0 14px;padding:2px 14px 0;border-{}:2px solid \
                 {LINE_STRONG};color:{INK_2}\">{inside}</div>",
                start(&inside)
            )
        }
        Block::Code(inlines) => format!(
            "<div class=\"sunk ink\" style=\"margin:0 0 14px;padding:10px 12px;background-color:{SUNK};\
             font-family:{MONO};font-size:13px;line-height:20px;white-space:pre-wrap\">{}</div>",
            line(inlines).trim_end().replace('\n', "<br />")
        ),
        Block::Table { flush_right, head, rows } => {
            let head: Vec<String> = head.iter().map(|cell| line(cell)).collect();
            let rows: Vec<Vec<String>> =
                rows.iter().map(|row| row.iter().map(|cell| line(cell)).collect()).collect();
            cells(&head, &rows, flush_right, "")
        }
        Block::Rule => format!(
            "<div class=\"line\" style=\"margin:6px 0 20px;border-top:1px solid {LINE};font-size:1px;line-height:1px\">&#160;</div>"
        ),
    }
}

/// The blocks of a list's point: its only paragraph needs no margin.
fn tight(item: &[Block]) -> String {
    match item {
        [Block::Paragraph(inlines), rest @ ..]
            if rest.iter().all(|block| matches!(block, Block::List { .. })) =>
        {
            format!("{}{}", line(inlines), blocks(rest))
        }
        _ => blocks(item),
    }
}

/// Which way a block of HTML is read and aligned, as attributes. Written out, because Outlook does not find it out itself.
fn direction(html: &str) -> &'static str {
    if reads_from_right(html) { " dir=\"rtl\" align=\"right\"" } else { "" }
}

/// The side at which a block's lines begin.
fn start(html: &str) -> &'static str {
    if reads_from_right(html) { "right" } else { "left" }
}

/// Whether most letters between the tags are of a script that is read from right to left: names in Latin letters often open
/// a sentence that goes on in Hebrew or Arabic, and count half.
fn reads_from_right(html: &str) -> bool {
    let (mut is_tag, mut from_right, mut from_left) = (false, 0, 0);
    for character in html.chars() {
        match character {
            '<' => is_tag = true,
            '>' => is_tag = false,
            _ if is_tag || !character.is_alphabetic() => {}
            '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' => from_right += 1,
            _ => from_left += 1,
        }
    }
    from_right * 2 > from_left
}

fn line(inlines: &[Inline]) -> String {
    inlines
        .iter()
        .map(|inline| match inline {
            Inline::Text(text) | Inline::Figure { text, checked: true } => escape(text),
            Inline::Figure { text, checked: false } => unchecked(text),
            Inline::Strong(inner) => format!("<strong style=\"font-weight:600\">{}</strong>", line(inner)),
            Inline::Emphasis(inner) => format!("<em>{}</em>", line(inner)),
            Inline::Struck(inner) => format!("<s>{}</s>", line(inner)),
            Inline::Code(inner) => format!(
                "<span class=\"sunk\" style=\"font-family:{MONO};font-size:0.9em;background-color:{SUNK};padding:1px 4px\">{}</span>",
                line(inner)
            ),
            Inline::Break => "<br />".to_owned(),
        })
        .collect()
}

fn unchecked(text: &str) -> String {
    format!(
        "<span class=\"warn\" title=\"not found in the data\" style=\"background-color:{WARN_SOFT};color:{WARN};\
         border-bottom:1px dashed {WARN};padding:0 3px\">{}&#160;?</span>",
        escape(text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_that_is_refused_becomes_a_plain_card() {
        assert!(from_template("<mjml><mj-body><mj-text>5 < 6</mj-text></mj-body></mjml>").is_err());
        let message = Message {
            title: "A <b>title</b>".into(),
            date: "Sat 21 Nov 2026".into(),
            banner: None,
            headline: vec![Inline::Text("5 < 6".into())],
            body: vec![],
            pictures: vec![],
            pictures_left_out: 0,
            table: None,
            notes: vec![],
            provenance: vec![],
            action: Some(("Open the thread".into(), "https://tidings.example/threads/1?a=1&b=2".into())),
            because: "Because.".into(),
            unsubscribe_url: Some("https://tidings.example/unsubscribe/x".into()),
        };
        let card = plain_card(&message, "5 < 6\nand the rest");
        for expected in ["A &lt;b&gt;title", "5 &lt; 6\nand", "threads/1?a=1&amp;b=2", "unsubscribe/x"] {
            assert!(card.contains(expected), "{expected} is missing: {card}");
        }
    }
}
