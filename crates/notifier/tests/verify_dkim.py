"""Verifies the DKIM signature of the mail on standard input by dkimpy, the DNS answering with the record in the file that is
given for the name that is given. Prints `valid` or `invalid`."""

import sys

import dkim

name, record = sys.argv[1], open(sys.argv[2], "rb").read()


def dns(asked, timeout=5):
    return record if asked.decode().rstrip(".") == name else None


print("valid" if dkim.verify(sys.stdin.buffer.read(), dnsfunc=dns, minkey=2048) else "invalid")
