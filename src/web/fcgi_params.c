/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes FastCGI name-value streams, fed in pieces. */
#include "config.h"

#include "web/fcgi_params.h"

void fcgi_params_init(struct fcgi_params *params)
{
	*params = (struct fcgi_params){.pair = BUF_INIT, .failed = FCGI_PARAMS_MORE};
}

void fcgi_params_deinit(struct fcgi_params *params)
{
	buf_deinit(&params->pair);
	fcgi_params_init(params);
}

/*
 * One length from the start of s: one byte below 128, else four of which the
 * first bit is not part of the number. Returns -1 where s ends before it.
 */
static int take_length(struct scan *s, uint32_t *length_r)
{
	struct scan ahead = *s;
	uint8_t first;

	if (scan_u8(&ahead, &first) != 0)
		return -1;
	if (first < 0x80) {
		*length_r = first;
		*s = ahead;
		return 0;
	}
	if (scan_u32be(s, length_r) != 0)
		return -1;
	*length_r &= 0x7fffffff;
	return 0;
}

/* Whether both lengths have come; sets them. */
static bool lengths_complete(struct fcgi_params *params)
{
	struct scan s;

	scan_init(&s, params->lengths, params->n_lengths);
	return take_length(&s, &params->name_len) == 0 && take_length(&s, &params->value_len) == 0;
}

static enum fcgi_params_step fail(struct fcgi_params *params, enum fcgi_params_step how)
{
	buf_deinit(&params->pair);
	params->failed = how;
	return how;
}

/* Takes the lengths byte by byte: they are few, and may be split anywhere. */
static enum fcgi_params_step take_lengths(struct fcgi_params *params, struct scan *in)
{
	uint8_t byte;

	do {
		if (scan_u8(in, &byte) != 0)
			return FCGI_PARAMS_MORE;
		/* Eight bytes are both lengths in their long form, so this cannot overflow. */
		params->lengths[params->n_lengths++] = byte;
	} while (!lengths_complete(params));

	params->total += params->n_lengths;
	if (params->name_len > FCGI_PARAMS_NAME_MAX || params->value_len > FCGI_PARAMS_VALUE_MAX)
		return fail(params, FCGI_PARAMS_TOO_LARGE);
	params->total += params->name_len + params->value_len;
	if (params->total > FCGI_PARAMS_TOTAL_MAX)
		return fail(params, FCGI_PARAMS_TOO_LARGE);
	/* One byte more, so that even an empty pair has an address. */
	if (buf_reserve(&params->pair, params->name_len + params->value_len + 1) != 0)
		return fail(params, FCGI_PARAMS_NO_MEMORY);
	params->in_body = true;
	return FCGI_PARAMS_PAIR;
}

enum fcgi_params_step fcgi_params_next(struct fcgi_params *params, struct scan *in,
				       struct str *name_r, struct str *value_r)
{
	size_t missing;
	struct str bytes;

	if (params->failed != FCGI_PARAMS_MORE)
		return params->failed;
	if (!params->in_body) {
		enum fcgi_params_step step = take_lengths(params, in);

		if (step != FCGI_PARAMS_PAIR)
			return step;
	}

	missing = params->name_len + params->value_len - params->pair.len;
	if (scan_take(in, missing < in->left ? missing : in->left, &bytes) != 0)
		return FCGI_PARAMS_MORE;
	buf_put_str(&params->pair, bytes);
	if (bytes.n < missing)
		return FCGI_PARAMS_MORE;

	*name_r = (struct str){params->pair.data, params->name_len};
	*value_r = (struct str){params->pair.data + params->name_len, params->value_len};
	/* The bytes stay where they are until the next pair overwrites them. */
	buf_truncate(&params->pair, 0);
	params->n_lengths = 0;
	params->in_body = false;
	return FCGI_PARAMS_PAIR;
}

int fcgi_params_end(const struct fcgi_params *params)
{
	if (params->failed != FCGI_PARAMS_MORE || params->in_body || params->n_lengths > 0)
		return -1;
	return 0;
}
