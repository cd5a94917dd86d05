/* SPDX-License-Identifier: BSD-2-Clause */
/* FastCGI 1.0 records: an incremental parser for a responder, and builders. */
#include "config.h"

#include "web/fcgi_record.h"

#include "web/fcgi_params.h"

#define VERSION	       1
#define ROLE_RESPONDER 1
#define FLAG_KEEP_CONN 1
#define BEGIN_BODY     8 /* bytes of an FCGI_BeginRequestBody */
#define MANAGED_MAX    64

void fcgi_record_init(struct fcgi_record_parser *parser)
{
	*parser = (struct fcgi_record_parser){0};
}

void fcgi_record_done(struct fcgi_record_parser *parser)
{
	parser->active = false;
}

/* ---- builders ---- */

void fcgi_record_head(unsigned char head[FCGI_RECORD_HEAD_SIZE], enum fcgi_record_type type,
		      uint16_t id, size_t content_len)
{
	head[0] = VERSION;
	head[1] = (unsigned char)type;
	head[2] = (unsigned char)(id >> 8);
	head[3] = (unsigned char)id;
	head[4] = (unsigned char)(content_len >> 8);
	head[5] = (unsigned char)content_len;
	head[6] = 0; /* padding */
	head[7] = 0; /* reserved */
}

static void put_record(struct buf *out, enum fcgi_record_type type, uint16_t id,
		       const void *content, size_t content_len)
{
	unsigned char head[FCGI_RECORD_HEAD_SIZE];

	fcgi_record_head(head, type, id, content_len);
	buf_put(out, head, sizeof(head));
	if (content_len > 0)
		buf_put(out, content, content_len);
}

void fcgi_record_put_stdout(struct buf *out, uint16_t id, struct str data)
{
	while (data.n > 0) {
		size_t n = data.n < FCGI_RECORD_CONTENT_MAX ? data.n : FCGI_RECORD_CONTENT_MAX;

		put_record(out, FCGI_RECORD_STDOUT, id, data.p, n);
		data.p += n;
		data.n -= n;
	}
}

static void put_end_request(struct buf *out, uint16_t id, enum fcgi_record_status status)
{
	/* appStatus, four bytes; protocolStatus; reserved */
	const unsigned char body[8] = {0, 0, 0, 0, (unsigned char)status, 0, 0, 0};

	put_record(out, FCGI_RECORD_END_REQUEST, id, body, sizeof(body));
}

void fcgi_record_put_end(struct buf *out, uint16_t id, enum fcgi_record_status status)
{
	put_record(out, FCGI_RECORD_STDOUT, id, NULL, 0);
	put_end_request(out, id, status);
}

/* ---- parser ---- */

static enum fcgi_record_step broken(struct fcgi_record_parser *parser, const char *why)
{
	parser->broken = why;
	return FCGI_RECORD_BROKEN;
}

/* Whether a record belongs to the request that is being served. */
static bool is_ours(const struct fcgi_record_parser *parser)
{
	return parser->active && parser->record_id == parser->id;
}

/* A record of the params or stdin stream: is this its place? */
static enum fcgi_record_step accept_stream(struct fcgi_record_parser *parser)
{
	if (!is_ours(parser))
		return FCGI_RECORD_MORE;
	if (parser->type == FCGI_RECORD_PARAMS && parser->params_done)
		return broken(parser, "params after their end");
	if (parser->type == FCGI_RECORD_STDIN && !parser->params_done)
		return broken(parser, "body before the end of params");
	if (parser->type == FCGI_RECORD_STDIN && parser->stdin_done)
		return broken(parser, "body after its end");
	parser->use = FCGI_RECORD_USE_STREAM;
	return FCGI_RECORD_MORE;
}

/* A complete header: decides what becomes of the record's content. */
static enum fcgi_record_step take_head(struct fcgi_record_parser *parser)
{
	struct scan s;
	uint8_t version;

	scan_init(&s, parser->head, sizeof(parser->head));
	if (scan_u8(&s, &version) != 0 || scan_u8(&s, &parser->type) != 0 ||
	    scan_u16be(&s, &parser->record_id) != 0 || scan_u16be(&s, &parser->content_len) != 0 ||
	    scan_u8(&s, &parser->padding_left) != 0 || version != VERSION)
		return broken(parser, "not FastCGI version 1");

	parser->in_record = true;
	parser->content_left = parser->content_len;
	parser->content_done = false;
	parser->n_body = 0;
	parser->use = FCGI_RECORD_USE_SKIP;

	switch (parser->type) {
	case FCGI_RECORD_BEGIN_REQUEST:
		if (parser->record_id == 0 || parser->content_len != BEGIN_BODY)
			return broken(parser, "malformed begin record");
		parser->use = FCGI_RECORD_USE_WHOLE;
		return FCGI_RECORD_MORE;
	case FCGI_RECORD_GET_VALUES:
		if (parser->content_len > sizeof(parser->body))
			return broken(parser, "too many values asked for");
		parser->use = FCGI_RECORD_USE_WHOLE;
		return FCGI_RECORD_MORE;
	case FCGI_RECORD_PARAMS:
	case FCGI_RECORD_STDIN:
		return accept_stream(parser);
	default:
		return FCGI_RECORD_MORE;
	}
}

/* FCGI_BEGIN_REQUEST (section 5.1). */
static enum fcgi_record_step begin(struct fcgi_record_parser *parser, struct buf *out,
				   struct fcgi_record_part *part_r)
{
	struct scan s;
	uint16_t role;
	uint8_t flags;

	scan_init(&s, parser->body, parser->n_body);
	if (scan_u16be(&s, &role) != 0 || scan_u8(&s, &flags) != 0)
		return broken(parser, "malformed begin record");
	if (is_ours(parser))
		return broken(parser, "a request began twice");
	if (parser->active) {
		if (++parser->n_managed > MANAGED_MAX)
			return broken(parser, "too many requests at once");
		put_end_request(out, parser->record_id, FCGI_RECORD_CANT_MPX);
		return FCGI_RECORD_MORE;
	}
	if (role != ROLE_RESPONDER) {
		put_end_request(out, parser->record_id, FCGI_RECORD_UNKNOWN_ROLE);
		return broken(parser, "not the role of a responder");
	}
	parser->active = true;
	parser->id = parser->record_id;
	parser->params_done = parser->stdin_done = false;
	parser->n_managed = 0;
	part_r->keep_conn = (flags & FLAG_KEEP_CONN) != 0;
	return FCGI_RECORD_STARTED;
}

/* FCGI_GET_VALUES (section 4.1): of the three variables one is ours to tell. */
static void answer_values(const struct fcgi_record_parser *parser, struct buf *out)
{
	static const unsigned char result[] = "\017\001FCGI_MPXS_CONNS0";
	struct fcgi_params params;
	struct scan s;
	struct str name, value;
	bool asked = false;

	fcgi_params_init(&params);
	scan_init(&s, parser->body, parser->n_body);
	while (fcgi_params_next(&params, &s, &name, &value) == FCGI_PARAMS_PAIR) {
		if (str_eq(name, STR("FCGI_MPXS_CONNS")))
			asked = true;
	}
	fcgi_params_deinit(&params);
	put_record(out, FCGI_RECORD_GET_VALUES_RESULT, 0, result, asked ? sizeof(result) - 1 : 0);
}

/* FCGI_UNKNOWN_TYPE (section 4.2). */
static void answer_unknown(const struct fcgi_record_parser *parser, struct buf *out)
{
	const unsigned char body[8] = {parser->type};

	put_record(out, FCGI_RECORD_UNKNOWN_TYPE, 0, body, sizeof(body));
}

/* A management record, id 0, is answered at once. */
static enum fcgi_record_step manage(struct fcgi_record_parser *parser, struct buf *out)
{
	if (++parser->n_managed > MANAGED_MAX)
		return broken(parser, "too many management records");
	if (parser->type == FCGI_RECORD_GET_VALUES)
		answer_values(parser, out);
	else
		answer_unknown(parser, out);
	return FCGI_RECORD_MORE;
}

/* An empty record of the params or stdin stream ends it (section 3.3). */
static enum fcgi_record_step finish_stream(struct fcgi_record_parser *parser)
{
	if (parser->content_len > 0 || !is_ours(parser))
		return FCGI_RECORD_MORE;
	if (parser->type == FCGI_RECORD_PARAMS) {
		parser->params_done = true;
		return FCGI_RECORD_PARAMS_END;
	}
	parser->stdin_done = true;
	return FCGI_RECORD_STDIN_END;
}

/* A record whose content has come completely; called once for each. */
static enum fcgi_record_step finish_content(struct fcgi_record_parser *parser, struct buf *out,
					    struct fcgi_record_part *part_r)
{
	parser->content_done = true;
	if (parser->record_id == 0)
		return manage(parser, out);
	switch (parser->type) {
	case FCGI_RECORD_BEGIN_REQUEST:
		return begin(parser, out, part_r);
	case FCGI_RECORD_ABORT_REQUEST:
		return is_ours(parser) ? FCGI_RECORD_ABORTED : FCGI_RECORD_MORE;
	case FCGI_RECORD_PARAMS:
	case FCGI_RECORD_STDIN:
		return finish_stream(parser);
	default:
		return FCGI_RECORD_MORE;
	}
}

/* Takes what is there of a record's content; in is not empty. */
static enum fcgi_record_step take_content(struct fcgi_record_parser *parser, struct scan *in,
					  struct fcgi_record_part *part_r)
{
	size_t n = parser->content_left < in->left ? parser->content_left : in->left;
	struct str bytes;
	size_t i;

	if (scan_take(in, n, &bytes) != 0)
		return FCGI_RECORD_MORE;
	parser->content_left -= (uint16_t)n;
	if (parser->use == FCGI_RECORD_USE_WHOLE) {
		for (i = 0; i < bytes.n; i++)
			parser->body[parser->n_body++] = (unsigned char)bytes.p[i];
	}
	/* The request may have been answered in the middle of a record. */
	if (parser->use != FCGI_RECORD_USE_STREAM || !is_ours(parser))
		return FCGI_RECORD_MORE;
	part_r->data = bytes;
	return parser->type == FCGI_RECORD_PARAMS ? FCGI_RECORD_PARAMS_PART
						  : FCGI_RECORD_STDIN_PART;
}

/* Takes bytes of a header. Returns whether it is complete. */
static bool fill_head(struct fcgi_record_parser *parser, struct scan *in)
{
	while (parser->n_head < sizeof(parser->head)) {
		if (scan_u8(in, &parser->head[parser->n_head]) != 0)
			return false;
		parser->n_head++;
	}
	return true;
}

/* Takes bytes of the padding. Returns whether the record is at its end. */
static bool skip_padding(struct fcgi_record_parser *parser, struct scan *in)
{
	size_t n = parser->padding_left < in->left ? parser->padding_left : in->left;

	if (scan_skip(in, n) != 0)
		return false;
	parser->padding_left -= (uint8_t)n;
	if (parser->padding_left > 0)
		return false;
	parser->in_record = false;
	parser->n_head = 0;
	return true;
}

enum fcgi_record_step fcgi_record_next(struct fcgi_record_parser *parser, struct scan *in,
				       struct buf *out, struct fcgi_record_part *part_r)
{
	enum fcgi_record_step step = FCGI_RECORD_MORE;

	*part_r = (struct fcgi_record_part){0};
	while (step == FCGI_RECORD_MORE) {
		if (parser->broken != NULL)
			return FCGI_RECORD_BROKEN;
		if (!parser->in_record) {
			if (!fill_head(parser, in))
				return FCGI_RECORD_MORE;
			step = take_head(parser);
		} else if (parser->content_left > 0) {
			if (in->left == 0)
				return FCGI_RECORD_MORE;
			step = take_content(parser, in, part_r);
		} else if (!parser->content_done) {
			step = finish_content(parser, out, part_r);
		} else if (!skip_padding(parser, in)) {
			return FCGI_RECORD_MORE;
		}
	}
	part_r->id = parser->id;
	return step;
}
