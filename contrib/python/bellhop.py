# SPDX-License-Identifier: BSD-2-Clause
"""
A host application's side of bellhop: tokens for its users, and notices into their tickets. Needs PyJWT. By hand,
with the settings of the demo's env file:

    python3 bellhop.py T-17 'Your room is ready.'
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import jwt


def token(user, name, role, tickets, ttl=3600):
    """A token for a user: who he is, what he may see ("*" or a list of tickets), and for how many seconds."""
    with open(os.environ["BELLHOP_JWT_KEY_FILE"], "rb") as file:
        key = file.read().removesuffix(b"\n")
    now = int(time.time())
    claims = {"sub": user, "name": name, "role": role, "tickets": tickets, "iat": now, "exp": now + ttl}
    return jwt.encode(claims, key, algorithm="HS256", headers={"kid": os.environ.get("BELLHOP_JWT_KID", "main")})


def notice(ticket, text, message_id):
    """
    Posts a system message and returns it. `message_id` names it: whoever cannot tell whether it arrived says it
    again with the same one, and it is there once. Raises where it was refused, or nobody answered.
    """
    url = f"{os.environ['BELLHOP_URL']}/v1/tickets/{urllib.parse.quote(ticket, safe='')}/system-messages"
    request = urllib.request.Request(
        url,
        data=json.dumps({"content": text, "client_msg_id": message_id}).encode(),
        headers={
            "Authorization": "Bearer " + token("site", "Front desk", "service", "*", ttl=60),
            "Content-Type": "application/json",
        },
    )
    context = ssl.create_default_context(cafile=os.environ.get("BELLHOP_CA")) if url.startswith("https") else None
    for pause in (1, 2, 3, 4, None):
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503 or pause is None:
                raise RuntimeError(f"bellhop: {error.code} {error.read().decode()}") from error
        except OSError:
            if pause is None:
                raise
        time.sleep(pause)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python3 bellhop.py TICKET TEXT")
    message = notice(sys.argv[1], sys.argv[2], uuid.uuid4().hex)
    print(message["ticket_id"], message["seq"])
