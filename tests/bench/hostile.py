#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
How much other requests suffer from hostile peers: a polite client sends through the web server, in turn while all
is quiet and while crowds of slow senders and slow readers are on every way in. Prints p50 and p99 of each round,
their medians and the ratio, and each process's memory before and after.

usage: tests/bench/hostile.py [--peers N] [--rounds N] [--sends N]
  --peers N   of each of the eight kinds (default: 100)
  --rounds N  quiet and hostile ones each (default: 5)
  --sends N   of a round (default: 500)
"""

import argparse
import contextlib
import multiprocessing
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "integration")]

import hostile  # noqa: E402
from stack import Stack  # noqa: E402


def crowd_process(stack, number, ticket, full, stop):
    """In a process of its own: what the crowd costs here is not to show as the client's time."""
    with contextlib.ExitStack() as crowds:
        for crowd in hostile.crowds(stack, number, ticket):
            crowds.enter_context(crowd)
        full.set()
        stop.wait()


@contextlib.contextmanager
def crowd(stack, number, ticket):
    full, stop = multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=crowd_process, args=(stack, number, ticket, full, stop))
    process.start()
    try:
        if not full.wait(60):
            raise SystemExit("the crowd did not come")
        yield
    finally:
        stop.set()
        process.join()


def measure(api, ticket, number):
    """(p50, p99) of so many sends, in ms."""
    times = []
    for i in range(number):
        began = time.perf_counter()
        api.sent(ticket, f"message {i}")
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def report(name, rounds):
    for p50, p99 in rounds:
        print(f"{name:8} p50 {p50:6.2f} ms  p99 {p99:6.2f} ms")
    return [statistics.median(column) for column in zip(*rounds)]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    for name, default in (("peers", 100), ("rounds", 5), ("sends", 500)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="bellhop-hostile-")
    with Stack(directory) as stack:
        client, filler = stack.site.api("anna", role="service"), stack.site.api("filler", role="service")
        for _ in range(20):
            filler.sent("T-crowd", "x" * 16000)
        # The first of everything, with which buffers and allocators reach their size.
        with crowd(stack, options.peers, "T-crowd"):
            measure(client, "T-warm", options.sends)
        quiet, loud = [], []
        before = hostile.memory_kib(stack)
        for i in range(options.rounds):
            quiet.append(measure(client, f"T-quiet-{i}", options.sends))
            with crowd(stack, options.peers, "T-crowd"):
                loud.append(measure(client, f"T-loud-{i}", options.sends))
        after = hostile.memory_kib(stack)
        quiet_p50, quiet_p99 = report("quiet", quiet)
        loud_p50, loud_p99 = report("hostile", loud)
        print(f"medians: p50 {quiet_p50:.2f} → {loud_p50:.2f} ms, p99 {quiet_p99:.2f} → {loud_p99:.2f} ms,"
              f" p99 ratio {loud_p99 / quiet_p99:.2f}")  # fmt: skip
        print("pids unchanged" if set(before) == set(after) else "PIDS CHANGED")
        for process in sorted(before):
            print(f"{process[0]:8} {process[1]:7} {before[process]:7} → {after.get(process, 0):7} KiB")
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
