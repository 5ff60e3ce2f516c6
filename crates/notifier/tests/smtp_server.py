"""An SMTP server (aiosmtpd) whose behaviour the recipient's local part picks. It tells what happens on standard output,
one JSON object a line, the mails as Python's own parser reads them, and obeys lines on standard input.

    later*    451 at RCPT, always              refused*  554 at the end of the mail
    grey*     450 at RCPT, the first time      full*     552 at the end of the mail
    nobody*   550 5.1.1 at RCPT                policy*   550 5.7.1 at RCPT
    plain550* 550 without an enhanced code     drop*     closes before accepting, the first time
    closing*  421 at RCPT, the first time      lost*     accepts, then closes without an answer, the first time
    brim*     452 4.2.2 at RCPT, always        held*     waits at the end of the mail for the line `release`

It speaks TLS with `--certificate FILE` (PEM, certificate and key): after STARTTLS, or from the first byte with `--wrapped`.
`--hangs-up` closes each connection right after its first mail was taken, without a word.
`--pipelining` says that it takes several commands at once.

`--faults N` treats N of a hundred mails badly, whoever they are to: refused for now at RCPT or at their end, hung up on before
or after they are accepted, or slow.

With `--log FILE` it tells of mails that it accepted in that file instead, one JSON object a line, on disk before it answers. Each `nobody*` that somebody wants to write to is a line in `FILE.refused`.
With `--whole` the line holds all of a mail, under `whole`: its headers, and its parts.
"""

import argparse
import asyncio
import collections
import email
import email.policy
import json
import logging
import os
import random
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult

FAULTS = ["greylisted", "closing", "no room", "dropped", "lost", "slow"]

logging.disable()
seen = collections.Counter()
released = asyncio.Event()


def tell(**event):
    print(json.dumps(event), flush=True)


def first_time(recipient):
    seen[recipient] += 1
    return seen[recipient] == 1


def read(source):
    """The mail as an independent parser understands it."""
    mail = email.message_from_bytes(source, policy=email.policy.default)
    parts = []
    defects = [str(defect) for defect in mail.defects]
    for part in mail.walk():
        defects += [str(defect) for defect in part.defects]
        content = None if part.is_multipart() else part.get_content()
        is_text = isinstance(content, str)
        parts.append(
            {
                "type": part.get_content_type(),
                "id": part["Content-ID"],
                "disposition": part.get_content_disposition(),
                "fileName": part.get_filename(),
                "text": content if is_text else None,
                "size": len(content) if content is not None and not is_text else None,
            }
        )
    headers = [[name, str(value)] for name, value in mail.items()]
    return {"headers": headers, "parts": parts, "defects": defects, "source": source.decode("utf-8", "replace")}


def keep(log, sender, recipient, source, is_whole):
    """Writes down what tells one mail from another, for good."""
    mail = email.message_from_bytes(source, policy=email.policy.compat32)
    text = next((part for part in mail.walk() if part.get_content_type() == "text/plain"), None)
    words = text.get_payload(decode=True).decode("utf-8", "replace").split() if text else []
    line = {"at": time.time(), "from": sender, "to": recipient, "messageId": mail["Message-ID"].strip(), "text": " ".join(words)}
    if is_whole:
        mail = read(source)
        line["whole"] = {"headers": mail["headers"], "parts": mail["parts"]}
    log.write(json.dumps(line) + "\n")
    log.flush()
    os.fsync(log.fileno())


class Handler:
    def __init__(self, log, refused, pause, faults, pipelining, hangs_up, whole):
        self.log = log
        self.whole = whole
        self.refused = refused
        self.faults = faults
        self.fault = None
        self.pause = pause
        self.pipelining = pipelining
        self.hangs_up = hangs_up

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        if self.pipelining:
            responses.insert(1, "250-PIPELINING")
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        await asyncio.sleep(self.pause)
        if not self.log:
            tell(event="recipient", to=address)
        self.fault = random.choice(FAULTS) if random.random() * 100 < self.faults else None
        if self.fault == "greylisted":
            return "450 4.2.0 greylisted"
        if self.fault == "closing":
            return "421 4.3.2 shutting down"
        if address.startswith("later"):
            return "451 4.3.0 try again later"
        if address.startswith("brim"):
            return "452 4.2.2 mailbox full"
        if address.startswith("grey") and first_time(address):
            return "450 4.2.0 greylisted"
        if address.startswith("closing") and first_time(address):
            return "421 4.3.2 shutting down"
        if address.startswith("nobody"):
            if self.refused:
                self.refused.write(address + "\n")
                self.refused.flush()
            return "550 5.1.1 no such user here"
        if address.startswith("policy"):
            return "550 5.7.1 blocked by policy"
        if address.startswith("plain550"):
            return "550 not today"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(self.pause)
        recipient = envelope.rcpt_tos[0]
        if self.fault == "slow":
            await asyncio.sleep(1)
        if self.fault == "no room":
            return "452 4.3.1 no room now"
        if self.fault == "dropped":
            server.transport.abort()
            return "451 never read"
        if recipient.startswith("held"):
            tell(event="held", to=recipient)
            await released.wait()
        if recipient.startswith("refused"):
            return "554 5.6.0 content refused"
        if recipient.startswith("full"):
            return "552 5.2.2 mailbox full"
        if recipient.startswith("drop") and first_time(recipient):
            tell(event="dropped", to=recipient)
            server.transport.abort()
            return "451 never read"
        if self.log:
            keep(self.log, envelope.mail_from, recipient, envelope.content, self.whole)
        else:
            is_encrypted = session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None
            mail = read(envelope.content)
            tell(event="accepted", to=recipient, sender=envelope.mail_from, encrypted=is_encrypted, mail=mail)
        if self.fault == "lost" or (recipient.startswith("lost") and first_time(recipient)):
            server.transport.abort()
            return "451 never read"
        if self.hangs_up:
            asyncio.get_running_loop().call_soon(server.transport.close)
        return "250 2.0.0 Ok: queued as %d" % sum(seen.values())


def authenticator(server, session, envelope, mechanism, data):
    is_right = data.login == b"tidings" and data.password == "p@ss wörd".encode()
    return AuthResult(success=is_right, handled=is_right, message=None if is_right else "535 5.7.8 wrong password")


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--auth", action="store_true", help="asks for a user and password, also without TLS")
    arguments.add_argument("--log", metavar="FILE", help="keeps accepted mails in this file")
    arguments.add_argument("--whole", action="store_true", help="with `--log`: keeps all of each mail")
    arguments.add_argument("--pause", type=float, default=0, help="seconds before it answers to RCPT, and to the mail")
    arguments.add_argument("--certificate", metavar="FILE", help="PEM with a certificate and its key, for TLS")
    arguments.add_argument("--wrapped", action="store_true", help="TLS from the first byte")
    arguments.add_argument("--faults", type=float, default=0, help="so many of a hundred mails are treated badly")
    arguments.add_argument("--hangs-up", action="store_true", help="closes each connection after a mail")
    arguments.add_argument("--pipelining", action="store_true", help="offers PIPELINING")
    wanted = arguments.parse_args()
    tls = None
    if wanted.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(wanted.certificate)
    log = open(wanted.log, "a", encoding="utf-8") if wanted.log else None
    refused = open(wanted.log + ".refused", "a", encoding="utf-8") if wanted.log else None
    auth = {"authenticator": authenticator, "auth_required": True, "auth_require_tls": False} if wanted.auth else {}

    def session():
        if not log:
            tell(event="connected")
        starttls = {"tls_context": tls, "require_starttls": True} if tls and not wanted.wrapped else {}
        handler = Handler(log, refused, wanted.pause, wanted.faults, wanted.pipelining, wanted.hangs_up, wanted.whole)
        return SMTP(handler, enable_SMTPUTF8=True, **starttls, **auth)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls if wanted.wrapped else None)
    tell(event="listening", port=server.sockets[0].getsockname()[1])
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        if line.strip() == b"release":
            released.set()


asyncio.run(main())
