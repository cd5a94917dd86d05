# SPDX-License-Identifier: BSD-2-Clause
"""
The real stack beside a model (tests/model): random sends, edits, deletions and reads, with stores that are
wiped, trimmed and restarted meanwhile. BELLHOP_MODEL_STEPS says how many steps, BELLHOP_MODEL_SEED from which
seed; 10,000 by hand:

    BELLHOP_MODEL_STEPS=10000 python3 -m pytest tests/integration/test_model.py
"""

import os
import secrets

from model.walk import Walk


def test_model(breakable, ticket):
    seed = os.environ.get("BELLHOP_MODEL_SEED") or secrets.token_hex(4)
    print(f"BELLHOP_MODEL_SEED={seed}")
    Walk(breakable, ticket, seed).run(int(os.environ.get("BELLHOP_MODEL_STEPS", "300")))
