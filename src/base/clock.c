/* SPDX-License-Identifier: BSD-2-Clause */
/* The time, and its text form. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/scan.h"

#define YEAR_0_MS    INT64_C(-62167219200000)
#define YEAR_9999_MS INT64_C(253402300799999)

static int64_t shift_us;

static int64_t now_us(clockid_t id)
{
	struct timespec ts;

	/* Cannot fail for the two clocks that we ask for. */
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 + shift_us;
}

int64_t clock_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_real_us(void)
{
	return now_us(CLOCK_REALTIME);
}

int64_t clock_real_ms(void)
{
	return clock_real_us() / 1000;
}

void clock_shift_ms(int64_t delta_ms)
{
	shift_us += delta_ms * 1000;
}

int clock_wait_ms(int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_mono_ms();

	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

void clock_format(int64_t real_ms, char text_r[CLOCK_TEXT_SIZE])
{
	struct tm tm;
	time_t seconds;
	unsigned int ms;

	if (real_ms < YEAR_0_MS)
		real_ms = YEAR_0_MS;
	if (real_ms > YEAR_9999_MS)
		real_ms = YEAR_9999_MS;
	ms = (unsigned int)((real_ms % 1000 + 1000) % 1000);
	seconds = (time_t)((real_ms - ms) / 1000);
	gmtime_r(&seconds, &tm);
	/* The remainders tell the compiler what the clamping above has made sure of. */
	snprintf(text_r, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		 (unsigned int)(tm.tm_year + 1900) % 10000, (unsigned int)(tm.tm_mon + 1) % 100,
		 (unsigned int)tm.tm_mday % 100, (unsigned int)tm.tm_hour % 100,
		 (unsigned int)tm.tm_min % 100, (unsigned int)tm.tm_sec % 100, ms);
}

/* Exactly `count` digits with a value in min..max. */
static int scan_digits(struct scan *s, size_t count, int min, int max, int *value_r)
{
	struct str digits;
	int value = 0;

	if (scan_take(s, count, &digits) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return -1;
		value = value * 10 + (digits.p[i] - '0');
	}
	if (value < min || value > max)
		return -1;
	*value_r = value;
	return 0;
}

/* One byte out of the two given. */
static int scan_either(struct scan *s, char a, char b)
{
	uint8_t c;

	if (scan_u8(s, &c) < 0)
		return -1;
	return c == (uint8_t)a || c == (uint8_t)b ? 0 : -1;
}

/* full-date "T" partial-time without the fraction. */
static int scan_date_time(struct scan *s, struct tm *tm)
{
	static const int days_of[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, days;

	if (scan_digits(s, 4, 0, 9999, &year) < 0 || scan_either(s, '-', '-') < 0 ||
	    scan_digits(s, 2, 1, 12, &month) < 0 || scan_either(s, '-', '-') < 0)
		return -1;
	days = days_of[month - 1];
	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		days++;
	if (scan_digits(s, 2, 1, days, &tm->tm_mday) < 0 || scan_either(s, 'T', 't') < 0 ||
	    scan_digits(s, 2, 0, 23, &tm->tm_hour) < 0 || scan_either(s, ':', ':') < 0 ||
	    scan_digits(s, 2, 0, 59, &tm->tm_min) < 0 || scan_either(s, ':', ':') < 0 ||
	    scan_digits(s, 2, 0, 60, &tm->tm_sec) < 0)
		return -1;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return 0;
}

/* time-secfrac, which is optional; digits after the third are dropped. */
static int scan_fraction(struct scan *s, int *ms_r)
{
	int unit = 100, count = 0;

	*ms_r = 0;
	if (s->left == 0 || s->p[0] != '.')
		return 0;
	scan_skip(s, 1);
	while (s->left > 0 && s->p[0] >= '0' && s->p[0] <= '9') {
		*ms_r += (s->p[0] - '0') * unit;
		unit /= 10;
		count++;
		scan_skip(s, 1);
	}
	return count > 0 ? 0 : -1;
}

/* time-offset: "Z" or +hh:mm or -hh:mm. */
static int scan_offset(struct scan *s, int *minutes_r)
{
	uint8_t sign;
	int hours, minutes;

	if (scan_u8(s, &sign) < 0)
		return -1;
	if (sign == 'Z' || sign == 'z') {
		*minutes_r = 0;
		return 0;
	}
	if ((sign != '+' && sign != '-') || scan_digits(s, 2, 0, 23, &hours) < 0 ||
	    scan_either(s, ':', ':') < 0 || scan_digits(s, 2, 0, 59, &minutes) < 0)
		return -1;
	*minutes_r = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
	return 0;
}

int clock_parse(struct str text, int64_t *real_ms_r)
{
	struct scan s;
	struct tm tm = {0};
	int ms, offset_minutes;

	scan_init(&s, text.p, text.n);
	if (scan_date_time(&s, &tm) < 0 || scan_fraction(&s, &ms) < 0 ||
	    scan_offset(&s, &offset_minutes) < 0 || s.left != 0)
		return -1;
	*real_ms_r = ((int64_t)timegm(&tm) - (int64_t)offset_minutes * 60) * 1000 + ms;
	return 0;
}
