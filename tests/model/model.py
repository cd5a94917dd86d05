# SPDX-License-Identifier: BSD-2-Clause
"""
A ticket as simple as can be: a list of events and a dictionary of messages. Whatever the real stack answers
must be what this says.
"""


class Message:
    """A message as it is now."""

    def __init__(self, seq, n, n_public, sender, kind, content, uid):
        self.seq, self.n, self.n_public = seq, n, n_public
        self.sender, self.kind, self.content, self.uid = sender, kind, content, uid
        self.rev = 1
        self.deleted_by = None

    @property
    def is_public(self):
        return self.kind != "note"


class Ticket:
    """Every method that changes something returns (status, message or None) as the API is to answer."""

    def __init__(self):
        self.events = []  # (kind, Message), event 1 first
        self.messages = {}  # by seq

    # ---- changes

    def send(self, sender, kind, content, uid, if_match=None, is_staff=True):
        for message in self.messages.values():
            if (message.sender, message.uid) == (sender, uid):
                # A deleted message has forgotten what it was compared with.
                if message.deleted_by is None and (message.kind, message.first) != (kind, content):
                    return 422, None
                return 200, message
        if if_match is not None and any(
            message.seq > if_match and message.sender != sender for message in self.visible(is_staff)
        ):
            return 412, None
        notes = sum(not message.is_public for message in self.messages.values())
        n = len(self.messages) + 1
        message = Message(len(self.events) + 1, n, n - notes - (kind == "note"), sender, kind, content, uid)
        message.first = content
        self.messages[message.seq] = message
        self.events.append(("message", message))
        return 201, message

    def edit(self, user, seq, content, is_staff=True, if_match=None):
        message = self.find(seq, is_staff)
        if message is None:
            return 404, None
        if message.sender != user:
            return 403, None
        if message.deleted_by is not None:
            return 409, None
        if message.content == content:
            return 200, message
        if if_match is not None and if_match != message.rev:
            return 412, None
        message.content = content
        message.rev += 1
        self.events.append(("message-edited", message))
        return 200, message

    def delete(self, user, seq, is_staff=True):
        message = self.find(seq, is_staff)
        if message is None:
            return 404, None
        if message.sender != user and not is_staff:
            return 403, None
        if message.deleted_by is None:
            message.content = None
            message.deleted_by = user
            self.events.append(("message-deleted", message))
        return 200, message

    # ---- views

    def find(self, seq, is_staff):
        message = self.messages.get(seq)
        return message if message and (is_staff or message.is_public) else None

    def visible(self, is_staff):
        return [message for message in self.messages.values() if is_staff or message.is_public]

    def page(self, is_staff, before=None, after=None, limit=50):
        """The messages of a page, and whether there are more before and after it."""
        every = self.visible(is_staff)
        if after is not None:
            page = [message for message in every if message.seq > after][:limit]
        else:
            page = [message for message in every if before is None or message.seq < before][-limit:]
        if not page:
            return page, None, None
        return page, every[0] is not page[0], every[-1] is not page[-1]

    def told(self, is_staff):
        """What a stream from the beginning tells: (event, event_seq, prev, seq of the message)."""
        events, prev = [], 0
        for event_seq, (kind, message) in enumerate(self.events, 1):
            if is_staff or message.is_public:
                events.append((kind, event_seq, prev, message.seq))
                prev = event_seq
        return events
