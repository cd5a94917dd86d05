/* SPDX-License-Identifier: BSD-2-Clause */
/* The contract, part of the program: what is served cannot be another version's. */
#include "config.h"

#include "api/contract.h"

#include "api/call.h"

/* The assembler finds the file below the source tree (AM_CFLAGS). */
__asm__(".pushsection .rodata\n"
	"contract_begin:\n"
	".incbin \"contrib/openapi.yaml\"\n"
	"contract_end:\n"
	".popsection\n");

extern const char contract_begin[], contract_end[];

void contract_read(struct call *call)
{
	call->reply.status = 200;
	reply_header(&call->reply, "Content-Type", STR("application/yaml"));
	reply_header(&call->reply, "Cache-Control", STR("no-cache"));
	reply_header(&call->reply, "X-Content-Type-Options", STR("nosniff"));
	buf_put(&call->reply.body, contract_begin, (size_t)(contract_end - contract_begin));
}
