# SPDX-License-Identifier: BSD-2-Clause
"""Several who send at once, in peace and while something breaks; and what nobody answered."""

import threading

from client import DEADLINE


class Said:
    """A send whose place in the ticket only its answer tells."""

    def __init__(self, user, kind, content, uid):
        self.user, self.kind, self.content, self.uid = user, kind, content, uid
        self.answer = self.fault = None

    def say(self, api, ticket, stop):
        """Until there is an answer: repeats are told the first result."""
        while not stop.is_set():
            try:
                answer = api.send(ticket, self.content, kind=self.kind, client_msg_id=self.uid)
            except OSError:
                stop.wait(0.1)
                continue
            except AssertionError as fault:
                self.fault = fault
                return
            if answer.status_code not in (202, 502, 503):
                self.answer = answer
                return
            stop.wait(0.1)


class Senders:
    def __init__(self, walk):
        self.walk = walk

    def send_together(self, meanwhile=None, count=3):
        """Some users send at once, each `count` messages at most; `meanwhile` is done while they do."""
        walk, stop = self.walk, threading.Event()
        users = walk.some("alice", "bob", "rita", "ada")
        users = walk.random.sample(users, walk.random.randint(2, len(users)))
        said = {
            user: [
                Said(user, walk.some_kind(user), walk.text(), walk.new_uid())
                for _ in range(walk.random.randint(1, count))
            ]
            for user in users
        }

        def work(user):
            for one in said[user]:
                one.say(walk.apis[user], walk.ticket, stop)

        threads = [threading.Thread(target=work, args=(user,), daemon=True) for user in users]
        for thread in threads:
            thread.start()
        try:
            if meanwhile:
                meanwhile()
            for thread in threads:
                thread.join(2 * DEADLINE)
        finally:
            stop.set()
        self.take([one for user in users for one in said[user]])

    def take(self, said):
        """The record has decided who came first; then it is as if they had come one by one."""
        walk = self.walk
        for one in said:
            assert one.fault is None, one.fault
            assert one.answer is not None, f"{one.uid} was not answered"
            if walk.model.status == "closed":
                assert one.answer.status_code == 409, one.answer.text
            else:
                assert one.answer.status_code in (200, 201), one.answer.text
        if walk.model.status == "closed":
            return
        for one in sorted(said, key=lambda one: one.answer.json()["seq"]):
            status, message = walk.model.send(one.user, walk.roles[one.user], one.kind, one.content, one.uid)
            assert status == 201
            walk.compare(message, one.answer.json(), one.user != "rita")
