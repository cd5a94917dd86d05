#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
What the gate costs of a send: the check of its token, the count of its user's calls and the sealing of its text, as
a share of the CPU time that the api's workers spend on a whole send, user and system time together.

Two stacks run side by side, one without limits and sealing, one with both, and are asked by turns. The token's check
cannot be left out of a send: it is what GET /v1/auth costs more than GET /v1/healthz, which differ in nothing else.

    tests/bench/gate.py [--rounds N] [--messages N] [--size BYTES]

BUILD_DIR names the build (default: build). Prints medians; a machine's own figures, so compare the ratio.
"""

import argparse
import http.client
import pathlib
import statistics
import subprocess
import sys
import tempfile
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from stack import Stack, build_dir  # noqa: E402

OPEN = {"BELLHOP_API_WORKERS": "2", "BELLHOP_LIMIT_SENDS": "0", "BELLHOP_LIMIT_CALLS": "0"}
LIMITED = {**OPEN, "BELLHOP_LIMIT_SENDS": "1000000/1"}


def cpu_us(stack):
    """CPU time of the api's workers so far."""
    return sum(
        int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000 for pid in stack.children("api")
    )


def cost_of_send(stack, messages, size):
    before = cpu_us(stack)
    done = subprocess.run(
        [
            str(build_dir() / "tests/bench/bellhop-bench"),
            "--send-only", f"--messages={messages}", f"--size={size}", "--senders=4",
            f"--url={stack.env['BELLHOP_PLAIN_URL']}", f"--key={stack.env['BELLHOP_JWT_KEY_FILE']}",
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"bellhop-bench: status {done.returncode}\n{done.stdout}")
    return (cpu_us(stack) - before) / messages


def cost_of_get(stack, path, token, times):
    url = urllib.parse.urlsplit(stack.env["BELLHOP_PLAIN_URL"])
    connection = http.client.HTTPConnection(url.hostname, url.port)
    before = cpu_us(stack)
    for _ in range(times):
        connection.request("GET", url.path + path, headers={"Authorization": "Bearer " + token})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (200, 204), answer.status
    connection.close()
    return (cpu_us(stack) - before) / times


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--size", type=int, default=100)
    options = parser.parse_args()
    plain_costs, gated_costs, token_costs = [], [], []
    with tempfile.TemporaryDirectory(prefix="bellhop-gate-") as directory:
        pathlib.Path(directory).chmod(0o711)
        keys = pathlib.Path(directory) / "seal.keys"
        subprocess.run([str(build_dir() / "bellhop"), "keygen", "--seal", str(keys)], check=True)
        with (
            Stack(f"{directory}/plain", env=OPEN) as plain,
            Stack(f"{directory}/gated", env={**LIMITED, "BELLHOP_SEAL_KEYS_FILE": str(keys)}) as gated,
        ):
            token = plain.site.token("alice")
            for _ in range(options.rounds):
                plain_costs.append(cost_of_send(plain, options.messages, options.size))
                gated_costs.append(cost_of_send(gated, options.messages, options.size))
                identified = cost_of_get(plain, "/v1/auth", token, options.messages)
                token_costs.append(identified - cost_of_get(plain, "/v1/healthz", token, options.messages))
    send, limited, token_us = (statistics.median(costs) for costs in (plain_costs, gated_costs, token_costs))
    shares = [
        (gated - plain + token) / gated for plain, gated, token in zip(plain_costs, gated_costs, token_costs, strict=True)
    ]
    print(f"a send without limit and sealing  {send:7.1f} us")
    print(f"a send with both                  {limited:7.1f} us")
    print(f"the check of a token              {token_us:7.1f} us")
    print(f"share of the gate, of each round  {100 * statistics.median(shares):7.1f} % (median)")
    print(" ".join(f"{100 * share:.1f}" for share in sorted(shares)))


if __name__ == "__main__":
    main()
