# SPDX-License-Identifier: BSD-2-Clause
"""
A ticket as simple as can be: a list of events and a dictionary of messages. Whatever the real stack answers
must be what this says.
"""


class Message:
    """A message as it is now; `texts` are all that it ever had, by revision."""

    def __init__(self, seq, n, n_public, sender, kind, content, uid):
        self.seq, self.n, self.n_public = seq, n, n_public
        self.sender, self.kind, self.uid = sender, kind, uid
        self.rev = 1
        self.texts = {1: content}
        self.editors = []  # who made revision 2, 3, …
        self.deleted_by = None
        self.is_erased = False

    @property
    def content(self):
        return None if self.is_gone else self.texts[self.rev]

    @property
    def is_gone(self):
        return self.is_erased or self.deleted_by is not None

    @property
    def is_public(self):
        return self.kind != "note"


class Event:
    """What took a number. `name` is that of its frame; `told` what a change of the card or its people tells."""

    def __init__(self, seq, prev_public, name, message=None, told=None):
        self.seq, self.prev_public, self.name, self.message, self.told = seq, prev_public, name, message, told
        self.rev = message.rev if message else None

    @property
    def is_public(self):
        return self.message is None or self.message.is_public


class Ticket:
    """Every method that changes something returns (status, message or None) as the API is to answer."""

    def __init__(self):
        self.events = []  # event 1 first, those that were erased too
        self.messages = {}  # by seq, those that are kept
        self.first = 1  # oldest event that is kept
        self.n = self.n_public = self.last_public = 0
        self.status, self.title, self.hold = "open", None, False
        self.people = {}
        self.known = set()  # those of them of whom requesters may know: a note alone tells of nobody
        self.removed = {}  # user: number of the event that removed them

    @property
    def last(self):
        return len(self.events)

    # ---- changes

    def send(self, user, role, kind, content, uid, if_match=None):
        is_staff = role != "requester"
        for message in self.messages.values():
            if (message.sender, message.uid) == (user, uid):
                # A deleted message has forgotten what it was compared with.
                if message.deleted_by is None and (message.kind, message.texts[1]) != (kind, content):
                    return 422, None
                return 200, message
        if user in self.removed and role != "service":
            return 403, None
        if self.status == "closed" and role != "service":
            return 409, None
        if if_match is not None and any(
            message.seq > if_match and message.sender != user for message in self.visible(is_staff)
        ):
            return 412, None
        self.n += 1
        self.n_public += kind != "note"
        message = Message(self.last + 1, self.n, self.n_public, user, kind, content, uid)
        self.messages[message.seq] = message
        self.add("message", message)
        if role != "service" and user not in self.removed:
            self.people.setdefault(user, role)
        if message.is_public and user in self.people:
            self.known.add(user)
        return 201, message

    def add(self, name, message=None, told=None):
        event = Event(self.last + 1, self.last_public, name, message, told)
        self.events.append(event)
        if event.is_public:
            self.last_public = event.seq

    def edit(self, user, role, seq, content, if_match=None):
        message = self.find(seq, role != "requester")
        if message is None:
            return 404, None
        if message.sender != user and role != "admin":
            return 403, None
        if message.deleted_by is not None:
            return 409, None
        if message.content == content:
            return 200, message
        if if_match is not None and if_match != message.rev:
            return 412, None
        message.rev += 1
        message.texts[message.rev] = content
        message.editors.append(user)
        self.add("message-edited", message)
        return 200, message

    def delete(self, user, role, seq):
        message = self.find(seq, role != "requester")
        if message is None:
            return 404, None
        if message.sender != user and role not in ("agent", "admin"):
            return 403, None
        if message.deleted_by is not None:
            return 200, message
        if self.hold:
            return 409, None
        message.deleted_by = user
        self.add("message-deleted", message)
        return 200, message

    def put_card(self, user, fields):
        """`fields` may hold status and title; the first change begins the ticket even if it changes nothing."""
        status, title = fields.get("status", self.status), fields.get("title", self.title)
        if self.last == 0 or (status, title) != (self.status, self.title):
            self.status, self.title = status, title
            self.add("ticket", told={"status": status, "title": title, "by": user})

    def put_person(self, by, user, role):
        """Makes the user a participant in a role, or removes them: role None. False: there is nothing yet."""
        if role is None and self.last == 0:
            return False
        if role is None and user not in self.removed:
            self.people.pop(user, None)
            self.removed[user] = self.last + 1
            self.add("participant", told={"user_id": user, "removed": True, "by": by})
        elif role is not None and self.people.get(user) != role:
            self.removed.pop(user, None)
            self.people[user] = role
            self.known.add(user)
            self.add("participant", told={"user_id": user, "role": role, "by": by})
        return True

    def erase(self, last):
        """Retention takes the events up to `last`. False if a hold keeps them."""
        if self.hold:
            return False
        for seq in [seq for seq in self.messages if seq <= last]:
            self.messages.pop(seq).is_erased = True
        self.first = max(self.first, last + 1)
        return True

    # ---- views

    def find(self, seq, is_staff):
        message = self.messages.get(seq)
        return message if message and (is_staff or message.is_public) else None

    def visible(self, is_staff):
        return [message for message in self.messages.values() if is_staff or message.is_public]

    def people_shown(self, is_staff):
        return {(user, role) for user, role in self.people.items() if is_staff or user in self.known}

    def newest(self, is_staff):
        """The newest event."""
        return self.last if is_staff else self.last_public

    def page(self, is_staff, before=None, after=None, around=None, limit=50):
        """The messages of a page, and whether there are more before and after it."""
        every = self.visible(is_staff)
        if around is not None:
            half = (limit + 1) // 2
            page = [message for message in every if message.seq <= around][-half:]
            page += [message for message in every if message.seq > around][: limit - len(page)]
        elif after is not None:
            page = [message for message in every if message.seq > after][:limit]
        else:
            page = [message for message in every if before is None or message.seq < before][-limit:]
        if page:
            return page, every[0] is not page[0], every[-1] is not page[-1]
        return page, bool(every) and after is not None, bool(every) and before is not None

    def told(self, is_staff, after):
        """
        What a stream tells whose cursor is `after`: (event, event_seq, prev, seq of the message). What was
        erased is a gap, (gap, to, from, None).
        """
        told, last_gone, prev = [], 0, 0
        for event in self.events:
            if not is_staff and not event.is_public:
                continue
            if event.seq < self.first:
                last_gone = event.seq
            elif event.seq > after:
                told.append((event.name, event.seq, prev, event.message and event.message.seq))
            prev = event.seq
        return [("gap", last_gone, after + 1, None)] * (last_gone > after) + told
