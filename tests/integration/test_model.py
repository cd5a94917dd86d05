# SPDX-License-Identifier: BSD-2-Clause
"""
The real stack beside a model (tests/model): whatever clients do, one by one or at once, and streams that stay
open, while stores are wiped, cut, frozen, killed and restarted, daemons killed and replaced, and old events
purged. BELLHOP_MODEL_STEPS says how many steps, a new ticket every 1,000 of them so that reading all of it stays
quick, and BELLHOP_MODEL_SEED which walk; by hand another one each time, and longer:

    BELLHOP_MODEL_SEED=$RANDOM BELLHOP_MODEL_STEPS=10000 python3 -m pytest tests/integration/test_model.py

With BELLHOP_SEAL_KEYS_FILE set to a file of keys, texts are sealed.

A walk that fails prints its last steps. The seed decides the steps, not what else happens at the moment of a fault.
"""

import os

from model.walk import Walk


A_TICKETS_STEPS = 1000


def test_model(breakable, ticket):
    seed = os.environ.get("BELLHOP_MODEL_SEED", "bellhop")
    steps = int(os.environ.get("BELLHOP_MODEL_STEPS", "300"))
    print(f"BELLHOP_MODEL_SEED={seed}")
    events = 0
    for done in range(0, steps, A_TICKETS_STEPS):
        walk = Walk(breakable, f"{ticket}-{done}", f"{seed}-{done}")
        walk.run(min(A_TICKETS_STEPS, steps - done))
        events += len(walk.model.events)
        print(f"{done + walk.number} steps, {events} events", flush=True)
