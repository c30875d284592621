"""A mail server that takes letters after STARTTLS and a login only: mailbox.py CERTIFICATE KEY USER PASSWORD.

Prints its port, and then each letter as a line of JSON. The first letter is put off, as busy servers do."""
import json
import socket
import ssl
import sys
import threading
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

certificate, key, user, password = sys.argv[1:]


class Letters:
    seen = 0

    async def handle_DATA(self, server, session, envelope):
        self.seen += 1
        if self.seen == 1:
            return "451 too busy, come again"
        letter = message_from_bytes(envelope.content, policy=policy.default)
        print(json.dumps({"to": envelope.rcpt_tos, "from": letter["From"], "subject": letter["Subject"], "text": letter.get_content()}), flush=True)
        return "250 taken"


def known(server, session, envelope, mechanism, login):
    return AuthResult(success=(login.login, login.password) == (user.encode(), password.encode()))


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
Controller(
    Letters(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True, auth_required=True, authenticator=known
).start()
print(port, flush=True)
threading.Event().wait()
