#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The part of tests/lint/run that `make check` runs, in the build directory.
BUILD_DIR=$PWD CI='' exec "${srcdir:-.}/tests/lint/run" --quick
