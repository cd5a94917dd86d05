/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts of outcomes, for logs. */
#include "config.h"

#include "base/err.h"

const char *err_text(enum err err)
{
	switch (err) {
	case ERR_NONE:
		return "no error";
	case ERR_UNAVAILABLE:
		return "server unavailable";
	case ERR_UNCERTAIN:
		return "sent, but not answered";
	case ERR_TIMEOUT:
		return "no answer in time";
	case ERR_REFUSED:
		return "refused by the server";
	case ERR_PROTOCOL:
		return "unexpected answer";
	case ERR_INVALID:
		return "invalid input";
	case ERR_NOT_FOUND:
		return "not found";
	case ERR_CANCELLED:
		return "cancelled";
	case ERR_MEMORY:
		return "out of memory";
	}
	return "unknown error";
}
