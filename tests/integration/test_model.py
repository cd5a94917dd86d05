# SPDX-License-Identifier: BSD-2-Clause
"""
The real stack beside a model (tests/model): random sends, edits, deletions and reads, with stores that are
wiped, trimmed and restarted meanwhile. BELLHOP_MODEL_STEPS says how many steps, BELLHOP_MODEL_SEED which walk;
by hand another one each time, and longer:

    BELLHOP_MODEL_SEED=$RANDOM BELLHOP_MODEL_STEPS=10000 python3 -m pytest tests/integration/test_model.py
"""

import os

from model.walk import Walk


def test_model(breakable, ticket):
    seed = os.environ.get("BELLHOP_MODEL_SEED", "bellhop")
    print(f"BELLHOP_MODEL_SEED={seed}")
    Walk(breakable, ticket, seed).run(int(os.environ.get("BELLHOP_MODEL_STEPS", "300")))
