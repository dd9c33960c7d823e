# Drives the real libtlsrpt: sends what Postfix sends, and what else its interface allows. Standard output: how many
# datagrams were sent. Every call must succeed, but for the one that is too large for a datagram.
import ctypes
import errno
import sys
from ctypes import byref, c_char_p, c_int, c_void_p

SOCKET = b"/run/tlsrpt.sock"
TLSA, STS, NONE = 1, 2, 9
RECORD = b"v=TLSRPTv1; rua=mailto:reports@example.com,https://example.com/r"

library = ctypes.CDLL("libtlsrpt.so.0")
for name, types in {
    "open": [c_void_p, c_char_p],
    "close": [c_void_p],
    "init_delivery_request": [c_void_p, c_void_p, c_char_p, c_char_p],
    "finish_delivery_request": [c_void_p],
    "init_policy": [c_void_p, c_int, c_char_p],
    "finish_policy": [c_void_p, c_int],
    "add_policy_string": [c_void_p, c_char_p],
    "add_mx_host_pattern": [c_void_p, c_char_p],
    "add_delivery_request_failure": [c_void_p, c_int] + [c_char_p] * 6,
}.items():
    getattr(library, "tlsrpt_" + name).argtypes = types

sent = 0


def call(name, *arguments):
    result = getattr(library, "tlsrpt_" + name)(*arguments)
    if result:
        sys.exit(f"tlsrpt_{name}: {result}")


def policy(kind, domain, strings=(), patterns=(), failures=(), failed=None):
    return kind, domain, strings, patterns, failures, bool(failures) if failed is None else failed


def send(*policies, domain=b"example.com", record=RECORD):
    """As Postfix does: opens, sends, closes, for each session."""
    global sent
    connection, request = c_void_p(), c_void_p()
    call("open", byref(connection), SOCKET)
    call("init_delivery_request", byref(request), connection, domain, record)
    for kind, policy_domain, strings, patterns, failures, failed in policies:
        call("init_policy", request, kind, policy_domain)
        for string in strings:
            call("add_policy_string", request, string)
        for pattern in patterns:
            call("add_mx_host_pattern", request, pattern)
        for failure in failures:
            call("add_delivery_request_failure", request, *failure)
        call("finish_policy", request, int(failed))
    result = library.tlsrpt_finish_delivery_request(byref(request))
    call("close", byref(connection))
    if not result:
        sent += 1
    return result


def must_send(*policies, **rest):
    result = send(*policies, **rest)
    if result:
        sys.exit(f"tlsrpt_finish_delivery_request: {result}")


LINES = [b"version: STSv1", b"mode: enforce", b"mx: *.mail.example.com", b"max_age: 86400"]
PATTERNS = [b"*.mail.example.com", b"mx.example.com"]
FULL = [b"192.0.2.1", b"mx.example.com", b"MX.example.com at your service\r\nPIPELINING\r\nSTARTTLS", b"2001:db8::1",
        b"additional", b"REASON"]
BARE = [None] * 6

# 1: a success.
must_send(policy(STS, b"example.com", LINES, PATTERNS))
# 2: two failures in one session.
must_send(policy(STS, b"example.com", LINES, PATTERNS, [(302, *FULL), (303, *FULL)]))
# 3 to 13: each result type, with all its fields and, in the same session, with none.
for code in [201, 202, 203, 204, 205, 301, 302, 303, 304, 305, 306]:
    must_send(policy(STS, b"example.com", LINES, PATTERNS, [(code, *FULL), (code, *BARE)]))
# 14: two policies in one session.
must_send(policy(TLSA, b"mx.example.com", [b"3 1 1 " + b"AB" * 32], [], [(304, *FULL)]),
          policy(STS, b"example.com", LINES, PATTERNS))
# 15: no policy, and no domain of it.
must_send(policy(NONE, None))
# 16: a failure of which nothing is told but that it was one.
must_send(policy(NONE, b"example.com", failed=True))
# 17: texts that are no ASCII, no UTF-8, or made to break JSON.
must_send(policy(STS, b"example.com", [
    "x-utf8: Bücher 🔒 \u2028".encode(), b"x-latin1: B\xfccher \xff\xfe", bytes(range(1, 32)) + b"\x7f",
    b"\"quoted\" \\ back/slash \\u0000 {\"d\": \"evil.example\"}", b"",
], PATTERNS, [(205, b"192.0.2.1", b"mx.example.com", b"B\xfccher.example \"x\"", b"not an address", b"\xf0\x9f", b"\\")]))
# 18: almost as large as a datagram may be.
must_send(policy(STS, b"example.com", [b"x-long: " + b"y" * 990] * 205, PATTERNS))
# Not sent: larger than that. The library says why, and the next one goes through.
result = send(policy(STS, b"example.com", [b"x-long: " + b"y" * 990] * 300, PATTERNS))
if result % 1000 != errno.EMSGSIZE:
    sys.exit(f"too large: {result}")
# 19 to 418: a burst, without waiting for the other side.
for _ in range(400):
    must_send(policy(STS, b"example.com", LINES, PATTERNS))
print(sent)
