/* SPDX-License-Identifier: BSD-2-Clause */
/* The detail of a participant event: what it says of whom is bounded, and all readers of it agree. */
#include "config.h"

#include <string.h>

#include "chat/message.h"
#include "chat/participant.h"
#include "fuzz.h"
#include "web/json_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ticket_event event = {
		.ticket = STR("T-1"),
		.epoch = 1,
		.seq = 1,
		.kind = EVENT_PARTICIPANT,
		.is_public = true,
		.sender_id = STR("ann"),
		.sent_at_ms = 1,
		.detail = {(const char *)data, size},
	};
	struct participant_change change = {0};
	struct buf frame = BUF_INIT;
	struct json_write j;

	json_write_init(&j, &frame);
	message_frame_json(&j, &event, MESSAGE_FOR_PUBLIC);
	FUZZ_EXPECT(json_write_finish(&j) == 0);
	if (participant_parse(&event, &change) == 0) {
		struct str user = str_of(change.user);

		FUZZ_EXPECT(user.n >= 1 && strlen(change.role) >= 1);
		FUZZ_EXPECT(change.is_removed == (strcmp(change.role, "removed") == 0));
		FUZZ_EXPECT(participant_removes(&event, user) == change.is_removed);
		FUZZ_EXPECT((strstr(buf_cstr(&frame), "\"removed\":true") != NULL) ||
			    !change.is_removed);
	} else {
		FUZZ_EXPECT(!participant_removes(&event, STR("ann")));
	}
	buf_deinit(&frame);
	return 0;
}
