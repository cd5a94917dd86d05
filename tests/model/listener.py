# SPDX-License-Identifier: BSD-2-Clause
"""Streams that stay open while the walk goes on, and come back whatever happens to them."""

from client import Follower, wait_for


def check_told(event, data, is_staff):
    """`data` is how a stream told the event: the state that its message had then, or later."""
    if event.told is not None:
        assert {name: data[name] for name in event.told} == event.told
        return
    message = event.message
    assert data["seq"] == message.seq
    if message.is_erased and data["content"] is None:
        return  # nothing is known any more of what it was
    due = {
        "n": message.n if is_staff else message.n_public,
        "kind": message.kind,
        "sender_id": message.sender,
        "client_msg_id": message.uid,
    }
    assert {name: data[name] for name in due} == due
    assert event.rev <= data["rev"] <= message.rev, f"told revision {data['rev']}, has {message.rev}: {data}"
    if data["content"] is None:
        assert message.is_gone and data["deleted_at"] is not None, data
    else:
        assert data["content"] == message.texts[data["rev"]] and event.name != "message-deleted", data


class Listener:
    """One stream from the first event on; hear() compares what has come since the last time."""

    def __init__(self, api, walk, user):
        self.walk, self.is_staff, self.user = walk, user != "rita", user
        self.follower = Follower(api, walk.ticket, since=0)
        self.taken = self.shown = 0

    def hear(self):
        model = self.walk.model
        removed = model.removed.get(self.user)
        newest = model.newest(self.is_staff) if removed is None else 0

        def is_level():
            while self.taken < len(self.follower.seen):
                self.take(self.follower.seen[self.taken])
                self.taken += 1
            return self.shown >= newest

        wait_for(is_level, f"event {newest} for {self.user}, who has {self.shown},", 40)
        # Who is removed hears nothing more, not even of that.
        assert removed is None or self.shown < removed, f"{self.user} heard of {self.shown}, removed at {removed}"

    def take(self, event):
        model, data = self.walk.model, event.data
        if event.name == "gap":
            assert (data["from"], data["reason"]) == (self.shown + 1, "erased"), f"{event} after {self.shown}"
            assert self.shown < data["to"] < model.first, f"{event} after {self.shown}"
            self.shown = data["to"]
        else:
            seq = data["event_seq"]
            assert self.shown < seq <= model.last, f"{event} after {self.shown}"
            due = model.events[seq - 1]
            prev = seq - 1 if self.is_staff else due.prev_public
            assert (event.name, data["prev"], self.shown) == (due.name, prev, prev), f"{event} after {self.shown}"
            assert self.is_staff or due.is_public, event
            check_told(due, data, self.is_staff)
            self.shown = seq
        assert event.id == f"{self.walk.epoch}.{self.shown}", event

    def close(self):
        self.follower.close()
