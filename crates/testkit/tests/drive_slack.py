"""Drives the fake Slack with Slack's own client library. The argument is the address of its Web API."""

import json
import sys
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.signature import SignatureVerifier

BASE = sys.argv[1]
ROOT = BASE.removesuffix("api/")
SECRET = "fake-signing-secret"
REDIRECT = "http://127.0.0.1:1/back"


def control(do, **order):
    body = json.dumps({"do": do, **order}).encode()
    request = urllib.request.Request(ROOT + "control", body, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def refused(code, call, /, **arguments):
    try:
        call(**arguments)
    except SlackApiError as error:
        assert error.response["error"] == code, (code, error.response.data)
        return error.response
    raise AssertionError(f"not refused: {code}")


TEAM = control("addTeam", name="Acme")
USER = control("addUser", team=TEAM, name="ana", email="ana@acme.example")
CHANNELS = [
    control("addChannel", team=TEAM, name=f"room-{n}", hasBot=True, members=[USER]) for n in range(12)
]
OUTSIDE = control("addChannel", team=TEAM, name="outside")
TOKEN = control("install", team=TEAM)["token"]
client = WebClient(token=TOKEN, base_url=BASE)


def identity():
    assert client.auth_test()["team_id"] == TEAM


def posting_and_history():
    metadata = {"event_type": "tidings_delivery", "event_payload": {"delivery_id": "d1"}}
    posted = client.chat_postMessage(channel=CHANNELS[0], text="hello", metadata=metadata)
    assert posted["message"]["text"] == "hello"
    bare = client.conversations_history(channel=CHANNELS[0])["messages"][0]
    assert "metadata" not in bare
    whole = client.conversations_history(channel=CHANNELS[0], include_all_metadata=True)["messages"][0]
    assert whole["metadata"] == metadata and whole["ts"] == posted["ts"]
    client.chat_update(channel=CHANNELS[0], ts=posted["ts"], text="changed")
    client.reactions_add(channel=CHANNELS[0], timestamp=posted["ts"], name="eyes")
    refused("already_reacted", client.reactions_add, channel=CHANNELS[0], timestamp=posted["ts"], name="eyes")
    client.reactions_remove(channel=CHANNELS[0], timestamp=posted["ts"], name="eyes")
    client.chat_postEphemeral(channel=CHANNELS[0], user=USER, text="you alone")
    assert len(client.conversations_history(channel=CHANNELS[0])["messages"]) == 1


def threads():
    root = control("say", channel=CHANNELS[1], user=USER, text="root")
    client.chat_postMessage(channel=CHANNELS[1], text="reply", thread_ts=root)
    replies = client.conversations_replies(channel=CHANNELS[1], ts=root)["messages"]
    assert [m["text"] for m in replies] == ["root", "reply"]
    link = client.chat_getPermalink(channel=CHANNELS[1], message_ts=root)["permalink"]
    assert link == f"https://acme.slack.com/archives/{CHANNELS[1]}/p{root.replace('.', '')}"
    link = client.chat_getPermalink(channel=CHANNELS[1], message_ts=replies[1]["ts"])["permalink"]
    assert link.endswith(f"?thread_ts={root}&cid={CHANNELS[1]}")
    refused("message_not_found", client.chat_getPermalink, channel=CHANNELS[1], message_ts="1.000001")


def upload():
    png = b"\x89PNG\r\n\x1a\n" + bytes(64)
    shared = client.files_upload_v2(channel=CHANNELS[2], content=png, filename="a.png", title="A")
    file_id = shared["file"]["id"]
    assert client.files_info(file=file_id)["file"]["mimetype"] == "image/png"
    assert client.conversations_history(channel=CHANNELS[2])["messages"][0]["files"][0]["id"] == file_id
    image = [{"type": "image", "slack_file": {"id": file_id}, "alt_text": "A picture"}]
    client.chat_postMessage(channel=CHANNELS[3], text="a picture", blocks=image)


def pagination():
    names = [
        channel["name"]
        for page in client.conversations_list(types="public_channel", limit=5)
        for channel in page["channels"]
    ]
    assert len(names) == 13 and len(set(names)) == 13, names
    members = client.conversations_members(channel=CHANNELS[0])["members"]
    assert USER in members
    assert client.conversations_info(channel=CHANNELS[0])["channel"]["is_member"]


def direct_messages():
    opened = client.conversations_open(users=USER)["channel"]["id"]
    assert client.chat_postMessage(channel=opened, text="just you")["channel"] == opened
    assert client.users_info(user=USER)["user"]["profile"]["email"] == "ana@acme.example"
    assert client.users_lookupByEmail(email="ana@acme.example")["user"]["id"] == USER


def codes():
    post = client.chat_postMessage
    refused("channel_not_found", post, channel="C99999999", text="x")
    refused("not_in_channel", post, channel=OUTSIDE, text="x")
    refused("no_text", post, channel=CHANNELS[4], blocks=[])
    refused("msg_too_long", post, channel=CHANNELS[4], text="x" * 40_001)
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}
    answer = refused("invalid_blocks", post, channel=CHANNELS[4], text="x", blocks=[section])
    assert "3001" in answer["response_metadata"]["messages"][0]
    control("archive", channel=CHANNELS[5])
    refused("is_archived", post, channel=CHANNELS[5], text="x")
    refused("users_not_found", client.users_lookupByEmail, email="nobody@acme.example")
    refused("user_not_found", client.users_info, user="U99999999")
    refused("invalid_auth", WebClient(token="xoxb-none", base_url=BASE).auth_test)
    refused("not_authed", WebClient(base_url=BASE).auth_test)


def rate_limits():
    client.chat_postMessage(channel=CHANNELS[6], text="first")
    limited = refused("ratelimited", client.chat_postMessage, channel=CHANNELS[6], text="second")
    assert limited.status_code == 429 and limited.headers["retry-after"] == "1"
    patient = WebClient(token=TOKEN, base_url=BASE)
    patient.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=2))
    # The library waits for as long as it is told, and gets through.
    assert patient.chat_postMessage(channel=CHANNELS[6], text="second")["ok"]
    control("script", method="users.info", faults=[{"kind": "limited", "retryAfterSeconds": 1}])
    assert patient.users_info(user=USER)["ok"]


def trouble():
    control("script", method="chat.postMessage", faults=[{"kind": "html", "status": 503}])
    try:
        client.chat_postMessage(channel=CHANNELS[7], text="x")
    except SlackApiError as error:
        assert error.response.status_code == 503
    control("script", method="chat.postMessage", faults=[{"kind": "fatalErrorDone"}])
    refused("fatal_error", client.chat_postMessage, channel=CHANNELS[8], text="it is there all the same")
    assert len(control("messages", channel=CHANNELS[8])) == 1


def authorization():
    control("app", app={"rotates_tokens": True})
    query = {"client_id": "1000.2000", "scope": "chat:write", "state": "s1", "redirect_uri": REDIRECT}
    form = urllib.parse.urlencode({"user": USER, "decision": "allow"}).encode()

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    page = ROOT + "oauth/v2/authorize?" + urllib.parse.urlencode(query)
    assert b"Allow" in urllib.request.urlopen(page).read()
    try:
        urllib.request.build_opener(Stay).open(page, form)
    except urllib.error.HTTPError as redirect:
        back = urllib.parse.parse_qs(urllib.parse.urlparse(redirect.headers["location"]).query)
    assert back["state"] == ["s1"]
    app = {"client_id": "1000.2000", "client_secret": "fake-client-secret"}
    nobody = WebClient(base_url=BASE)
    code = back["code"][0]
    grant = nobody.oauth_v2_access(**app, code=code, redirect_uri=REDIRECT)
    assert grant["scope"] == "chat:write" and grant["expires_in"] == 43_200
    refused("invalid_code", nobody.oauth_v2_access, **app, code=code, redirect_uri=REDIRECT)
    again = {"grant_type": "refresh_token", "refresh_token": grant["refresh_token"]}
    renewed = nobody.oauth_v2_access(**app, **again)
    assert WebClient(token=renewed["access_token"], base_url=BASE).auth_test()["team_id"] == TEAM
    # For a short while after its use it works again: an answer may have been lost.
    nobody.oauth_v2_access(**app, **again)
    again["refresh_token"] = "xoxe-1-never-given-out"
    refused("invalid_refresh_token", nobody.oauth_v2_access, **app, **again)
    narrow = WebClient(token=renewed["access_token"], base_url=BASE)
    lacking = refused("missing_scope", narrow.users_info, user=USER)
    assert (lacking["needed"], lacking["provided"]) == ("users:read", "chat:write")
    bad = {**app, "client_secret": "wrong"}
    refused("bad_client_secret", nobody.oauth_v2_access, **bad, code="x", redirect_uri=REDIRECT)


def signed_events():
    received = []
    arrived = threading.Event()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((body, dict(self.headers)))
            # The first is not taken: Slack sends it again.
            self.send_response(500 if len(received) == 1 else 200)
            self.end_headers()
            if len(received) == 2:
                arrived.set()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    control("app", app={"events_url": f"http://127.0.0.1:{server.server_port}/"})
    control("say", channel=CHANNELS[9], user=USER, text="hello")
    assert arrived.wait(60)
    server.shutdown()
    verifier = SignatureVerifier(SECRET)
    for body, headers in received:
        assert verifier.is_valid_request(body, headers)
        assert not verifier.is_valid_request(body + b" ", headers)
    first, second = (json.loads(body) for body, _ in received)
    assert first["event_id"] == second["event_id"] and first["event"]["text"] == "hello"
    headers = {name.lower(): value for name, value in received[1][1].items()}
    assert headers["x-slack-retry-num"] == "1" and headers["x-slack-retry-reason"] == "http_error"


def the_end():
    assert client.auth_revoke()["revoked"]
    refused("token_revoked", client.auth_test)


for check in (
    identity,
    posting_and_history,
    threads,
    upload,
    pagination,
    direct_messages,
    codes,
    rate_limits,
    trouble,
    authorization,
    signed_events,
    the_end,
):
    check()
    print(check.__name__, flush=True)
