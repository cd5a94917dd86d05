/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes Redis hold of a ticket what the record holds. */
#ifndef BELLHOP_CLI_RELOAD_H
#define BELLHOP_CLI_RELOAD_H

#include "cli/stores.h"

/*
 * Drops what Redis has of the ticket, and loads its newest events from the record; nothing is lost to those who
 * listen. COMMAND_OK, also where the record has nothing of it; COMMAND_FAILED after reporting.
 */
int reload_ticket(struct stores *stores, struct str ticket);

#endif
