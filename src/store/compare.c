/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares an event of a stream with that of the record. */
#include "config.h"

#include "store/compare.h"

#include <stddef.h>

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
	{"seq", offsetof(struct ticket_event, seq)},
	{"n", offsetof(struct ticket_event, n)},
	{"n_public", offsetof(struct ticket_event, n_public)},
	{"prev_public", offsetof(struct ticket_event, prev_public)},
	{"target", offsetof(struct ticket_event, target)},
	{"target_n", offsetof(struct ticket_event, target_n)},
	{"target_n_public", offsetof(struct ticket_event, target_n_public)},
	{"sent_at", offsetof(struct ticket_event, sent_at_ms)},
};

static const struct {
	const char *name;
	size_t offset;
} texts[] = {
	{"sender_id", offsetof(struct ticket_event, sender_id)},
	{"sender_name", offsetof(struct ticket_event, sender_name)},
	{"uid", offsetof(struct ticket_event, uid)},
	{"detail", offsetof(struct ticket_event, detail)},
};

/* Absent is not the same as empty. */
static bool is_same(struct str a, struct str b)
{
	return (a.p == NULL) == (b.p == NULL) && str_eq(a, b);
}

/* What edits and the deletion change. */
static const char *compare_state(const struct ticket_event *stream,
				 const struct ticket_event *record)
{
	if (stream->deleted_at_ms != record->deleted_at_ms)
		return "deleted_at";
	if (!is_same(stream->deleted_by, record->deleted_by))
		return "deleted_by";
	if (record->deleted_at_ms != 0 && stream->content.p != NULL)
		return "content, which was deleted";
	if (stream->rev > record->rev)
		return "rev";
	if (stream->rev < record->rev)
		return NULL;
	if (stream->edited_at_ms != record->edited_at_ms)
		return "edited_at";
	return is_same(stream->content, record->content) ? NULL : "content";
}

const char *compare_event(const struct ticket_event *stream, const struct ticket_event *record)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		size_t at = numbers[i].offset;

		if (*(const int64_t *)((const char *)stream + at) !=
		    *(const int64_t *)((const char *)record + at))
			return numbers[i].name;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t at = texts[i].offset;

		if (!is_same(*(const struct str *)((const char *)stream + at),
			     *(const struct str *)((const char *)record + at)))
			return texts[i].name;
	}
	if (stream->kind != record->kind || stream->message_kind != record->message_kind)
		return "kind";
	if (stream->is_public != record->is_public)
		return "public";
	return compare_state(stream, record);
}
