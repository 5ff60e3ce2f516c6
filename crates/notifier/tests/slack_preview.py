"""Draws messages of the golden files about as Slack does, to be looked at in a browser: a message's JSON on standard input, a page
on standard output, and the picture for its charts as the argument."""

import base64
import html
import json
import re
import sys

STYLE = """
body{margin:0;background:#fff;font:15px/1.46 Lato,Arial,sans-serif;color:#1d1c1d}
.m{display:flex;gap:10px;padding:14px 20px;max-width:680px}.m.r{margin-left:44px;border-left:3px solid #ddd}
.a{width:36px;height:36px;border-radius:6px;background:#0f766e;color:#fff;font:700 18px/36px Arial;text-align:center;flex:none}
.w b{font-weight:900}.w .t{color:#616061;font-size:12px;margin-left:6px}.b{margin:8px 0;white-space:pre-wrap;overflow-wrap:anywhere}
h1{font-size:18px;margin:6px 0}.c{color:#616061;font-size:12px}pre,code{background:#f8f8f8;border:1px solid #ddd;border-radius:4px;
font:12px/1.5 Menlo,monospace}pre{padding:8px;margin:4px 0;overflow:auto}code{color:#c01343;padding:1px 3px}
blockquote{margin:0;border-left:4px solid #ddd;padding-left:12px}img{max-width:360px;border-radius:6px;display:block}
table{border-collapse:collapse;font-size:13px}td{border:1px solid #ddd;padding:5px 10px}tr:first-child td{background:#f8f8f8;font-weight:700}
.btn{display:inline-block;border:1px solid #bbb;border-radius:4px;padding:5px 12px;font-weight:700;margin-right:8px;font-size:14px}
.primary{background:#007a5a;border-color:#007a5a;color:#fff}
"""


def mrkdwn(text):
    def inline(text):
        text = re.sub(r"<(https?://[^|>]+)\|([^>]*)>", r'<a href="\1">\2</a>', text)
        text = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)
        for mark, tag in (("\\*", "strong"), ("_", "em"), ("~", "s")):
            text = re.sub(rf"(?<![\w\u2060{mark}]){mark}(?=\S)([^\n]*?\S){mark}(?![\w\u2060])", rf"<{tag}>\1</{tag}>", text)
        return re.sub(r"(?m)^> ?(.*)$", r"<blockquote>\1</blockquote>", text)

    parts = re.split(r"```\n?(.*?)\n?```", text, flags=re.S)
    return "".join(f"<pre>{part}</pre>" if number % 2 else inline(part) for number, part in enumerate(parts))


def block(given, picture):
    kind = given["type"]
    if kind == "header":
        return f"<h1>{html.escape(given['text']['text'])}</h1>"
    if kind == "section":
        return f'<div class="b">{mrkdwn(given["text"]["text"])}</div>'
    if kind == "context":
        return "".join(f'<div class="b c">{mrkdwn(element["text"])}</div>' for element in given["elements"])
    if kind == "image":
        title = html.escape(given.get("title", {}).get("text", ""))
        return f'<div class="b c">{title}</div><img src="data:image/png;base64,{picture}" alt="">'
    if kind == "table":
        settings = [column["align"] for column in given["column_settings"]]
        rows = ["".join(f'<td style="text-align:{side}">{html.escape(cell["text"])}</td>' for side, cell in zip(settings, row))
                for row in given["rows"]]
        return '<div class="b"><table>' + "".join(f"<tr>{row}</tr>" for row in rows) + "</table></div>"
    if kind == "actions":
        return '<div class="b">' + "".join(
            f'<span class="btn {button.get("style", "")}">{html.escape(button["text"]["text"])}</span>'
            for button in given["elements"]) + "</div>"
    return "<hr>"


def main():
    with open(sys.argv[1], "rb") as file:
        picture = base64.b64encode(file.read()).decode()
    page = [f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>"]
    for number, message in enumerate(json.load(sys.stdin)):
        inner = "".join(block(given, picture) for given in message["blocks"])
        page.append(f'<div class="m{" r" if number else ""}"><div class="a">T</div><div><div class="w"><b>Tidings</b>'
                    f'<span class="t">APP 14:06</span></div>{inner}</div></div>')
    print("".join(page))


main()
