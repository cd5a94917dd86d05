#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
How much other requests suffer from hostile peers: a polite client sends through the web server, in turn while all
is quiet and while crowds of slow senders and slow readers are on every way in. A hostile round begins with their
coming and lasts longer than the time-outs that throw them out, so that they come again in it; its first seconds,
in which they all come at once, are shown by themselves too. Prints p50 and p99 of each round, their medians, the
ratios, the processor time that the crowds themselves took, and each process's memory before and after.

usage: tests/bench/hostile.py [--peers N] [--rounds N] [--seconds N]
  --peers N    of each of the eight kinds (default: 100)
  --rounds N   quiet and hostile ones each (default: 5)
  --seconds N  of a round (default: 15)
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


ARRIVAL_S = 2


def crowd_process(stack, number, ticket, stop, used):
    """In a process of its own: what the crowd costs here is not to show as the client's time."""
    with contextlib.ExitStack() as crowds:
        for crowd in hostile.crowds(stack, number, ticket):
            crowds.enter_context(crowd)
        stop.wait()
    used.value = time.process_time()


class Crowd:
    def __init__(self, stack, number, ticket):
        self.stop, self.used = multiprocessing.Event(), multiprocessing.Value("d")
        self.process = multiprocessing.Process(target=crowd_process, args=(stack, number, ticket, self.stop, self.used))

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.process.join()


def measure(api, ticket, seconds):
    """(when, how long) of each send, one after the other, in seconds and ms."""
    times, start = [], time.perf_counter()
    while (began := time.perf_counter()) - start < seconds:
        api.sent(ticket, f"message {len(times)}")
        times.append((began - start, (time.perf_counter() - began) * 1000))
    return times


def percentiles(times):
    """(p50, p99) in ms"""
    times = sorted(ms for _, ms in times)
    return times[len(times) // 2], times[len(times) * 99 // 100]


def report(name, rounds):
    """The medians of p50 and p99."""
    pairs = [percentiles(times) for times in rounds]
    for (p50, p99), times in zip(pairs, rounds):
        print(f"{name:8} p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  of {len(times)}")
    return [statistics.median(column) for column in zip(*pairs)]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    for name, default in (("peers", 100), ("rounds", 5), ("seconds", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="bellhop-hostile-")
    with Stack(directory) as stack:
        client, filler = stack.site.api("anna", role="service"), stack.site.api("filler", role="service")
        for _ in range(20):
            filler.sent("T-crowd", "x" * 16000)
        # The first of everything, with which buffers and allocators reach their size.
        with Crowd(stack, options.peers, "T-crowd"):
            measure(client, "T-warm", options.seconds)
        quiet, loud, used = [], [], 0.0
        before = hostile.memory_kib(stack)
        for i in range(options.rounds):
            quiet.append(measure(client, f"T-quiet-{i}", options.seconds))
            with Crowd(stack, options.peers, "T-crowd") as crowd:
                loud.append(measure(client, f"T-loud-{i}", options.seconds))
            used += crowd.used.value
        after = hostile.memory_kib(stack)
        quiet_p50, quiet_p99 = report("quiet", quiet)
        for name, rounds in (
            ("arrival", [[time for time in times if time[0] < ARRIVAL_S] for times in loud]),
            ("hostile", loud),
        ):
            p50, p99 = report(name, rounds)
            print(f"medians: p50 {quiet_p50:.2f} → {p50:.2f} ms, p99 {quiet_p99:.2f} → {p99:.2f} ms,"
                  f" p99 ratio {p99 / quiet_p99:.2f}")  # fmt: skip
        print(f"the crowds took {100 * used / options.rounds / options.seconds:.0f} % of a core")
        print("pids unchanged" if set(before) == set(after) else "PIDS CHANGED")
        for process in sorted(before):
            print(f"{process[0]:8} {process[1]:7} {before[process]:7} → {after.get(process, 0):7} KiB")
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
