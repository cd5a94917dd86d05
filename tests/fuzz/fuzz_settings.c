/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text as a settings file: what is handed out is well-formed, and every fault has its line. */
#include "config.h"

#include "base/conf_file.h"
#include "base/utf8.h"
#include "fuzz.h"

static void expect_setting(void *arg, struct str name, struct str value, int line)
{
	int *last = arg;

	FUZZ_EXPECT(name.n > 0 && !(name.p[0] >= '0' && name.p[0] <= '9'));
	for (size_t i = 0; i < name.n; i++)
		FUZZ_EXPECT(name.p[i] == '_' || (name.p[i] >= '0' && name.p[i] <= '9') ||
			    (name.p[i] >= 'a' && name.p[i] <= 'z') ||
			    (name.p[i] >= 'A' && name.p[i] <= 'Z'));
	FUZZ_EXPECT(utf8_is_valid(value));
	FUZZ_EXPECT(line >= 1 && line >= *last);
	*last = line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf report = BUF_INIT;
	int last = 0;
	int result = conf_file_parse((struct str){(const char *)data, size}, "fuzz", expect_setting,
				     &last, &report);

	FUZZ_EXPECT(buf_ok(&report) && (result == 0 || report.len > 0));
	FUZZ_EXPECT(report.len == 0 || report.data[report.len - 1] == '\n');
	buf_deinit(&report);
	return 0;
}
