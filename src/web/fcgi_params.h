/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decodes a FastCGI name-value stream (FastCGI 1.0, section 3.4): fed bytes as
 * they arrive, gives pairs as they complete. A pair may be split across
 * records at any byte, in its lengths, name or value.
 *
 *	while ((step = fcgi_params_next(&params, &in, &name, &value)) == FCGI_PARAMS_PAIR)
 *		request_param(q, name, value);
 */
#ifndef BELLHOP_WEB_FCGI_PARAMS_H
#define BELLHOP_WEB_FCGI_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/scan.h"

/* Hard limits, in bytes: all pairs of a request with their lengths, one value, one name. */
#define FCGI_PARAMS_TOTAL_MAX 65536
#define FCGI_PARAMS_VALUE_MAX 16384
#define FCGI_PARAMS_NAME_MAX  256

enum fcgi_params_step {
	FCGI_PARAMS_MORE,      /* all input taken, feed more */
	FCGI_PARAMS_PAIR,      /* one pair; call again */
	FCGI_PARAMS_TOO_LARGE, /* a limit is passed; final */
	FCGI_PARAMS_NO_MEMORY  /* final */
};

struct fcgi_params {
	struct buf pair;	  /* name and value of the pair in the making */
	unsigned char lengths[8]; /* the lengths in the making */
	unsigned n_lengths;	  /* bytes of them so far */
	uint32_t name_len, value_len;
	bool in_body; /* the lengths are complete, name and value not */
	size_t total;
	enum fcgi_params_step failed; /* FCGI_PARAMS_MORE while all is well */
};

void fcgi_params_init(struct fcgi_params *params);
void fcgi_params_deinit(struct fcgi_params *params);

/*
 * Takes bytes from in until a pair is complete or in is empty. name_r and
 * value_r are valid until the next call on params.
 */
enum fcgi_params_step fcgi_params_next(struct fcgi_params *params, struct scan *in,
				       struct str *name_r, struct str *value_r);

/* At the end of the stream: 0, or -1 where it ends within a pair. */
int fcgi_params_end(const struct fcgi_params *params);

#endif /* BELLHOP_WEB_FCGI_PARAMS_H */
