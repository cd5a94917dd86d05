# SPDX-License-Identifier: BSD-2-Clause
"""
Runs a program under the system calls that a unit of contrib/systemd/ allows, as systemd would with seccomp(2):

    seccomp_run.py UNIT PROGRAM ARGUMENT…

What the unit's SystemCallFilter= leaves out kills the process instead of failing with SystemCallErrorNumber=, so
that no use of it goes unnoticed. RestrictAddressFamilies= fails as systemd has it fail.
"""

import errno
import os
import pathlib
import socket
import subprocess
import sys

import seccomp


def unit_values(path, section, key):
    """All values of a key that may be given more than once."""
    found, here = [], None
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith("["):
            here = line
        elif here == f"[{section}]" and line.startswith(f"{key}="):
            found.append(line.partition("=")[2])
    return found


def calls_of(name):
    """The system calls of a set, of which systemd itself knows what is in it; or of a name its own."""
    if not name.startswith("@"):
        return {name}
    shown = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
    words = [line.strip() for line in shown.stdout.splitlines()[1:]]
    return set().union(*(calls_of(word) for word in words if word and not word.startswith("#")))


def allowed_calls(unit):
    """First a list of what is allowed, then lists of what is not; @default always is."""
    allowed = set()
    for value in unit_values(unit, "Service", "SystemCallFilter"):
        calls = set().union(*(calls_of(word) for word in value.lstrip("~").split()))
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed | calls_of("@default")


def main():
    unit, *command = sys.argv[1:]
    families = [getattr(socket, name) for name in unit_values(unit, "Service", "RestrictAddressFamilies")[0].split()]
    rules = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
    rules.set_attr(seccomp.Attr.CTL_NNP, 1)
    for call in sorted(allowed_calls(unit) - {"socket"}):
        # Of other architectures' calls libseccomp knows nothing here.
        if seccomp.resolve_syscall(seccomp.Arch(), call) >= 0:
            rules.add_rule(seccomp.ALLOW, call)
    for family in families:
        rules.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, int(family)))
    rules.add_rule(seccomp.ERRNO(errno.EAFNOSUPPORT), "socket", seccomp.Arg(0, seccomp.GT, int(max(families))))
    rules.load()
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
