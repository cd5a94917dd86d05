/* SPDX-License-Identifier: BSD-2-Clause */
/* Words a renewal, and reads it again. */
#include "config.h"

#include "chat/renewal.h"

#include <stdlib.h>

#include "web/json_read.h"
#include "web/json_write.h"

/* ---- wording ---- */

void renewal_put(struct buf *out, const struct identity *fresh, struct str replaced)
{
	struct json_write j;

	json_write_init(&j, out);
	json_write_open_object(&j);
	json_write_member_cstr(&j, "event", "renewed");
	json_write_member_str(&j, "user_id", fresh->user_id);
	json_write_member_str(&j, "replaced", replaced);
	json_write_member_str(&j, "token_id", fresh->token_id);
	json_write_member_str(&j, "name", fresh->name);
	json_write_member_cstr(&j, "role", ids_role_text(fresh->role));
	if (fresh->all_tickets) {
		json_write_member_cstr(&j, "tickets", "*");
	} else {
		json_write_member_array(&j, "tickets");
		for (size_t i = 0; i < fresh->n_tickets; i++)
			json_write_str(&j, fresh->tickets[i]);
		json_write_close(&j);
	}
	json_write_member_int(&j, "exp", fresh->exp_ms / 1000);
	if (fresh->iat_s >= 0)
		json_write_member_int(&j, "iat", fresh->iat_s);
	else
		json_write_member_null(&j, "iat");
	json_write_close(&j);
	if (json_write_finish(&j) != 0)
		out->failed = true;
}

/* ---- reading ---- */

/* A string that has to be there. */
static int read_id(const struct json_read_value *root, const char *name, bool is_id(struct str),
		   struct str *id_r)
{
	const struct json_read_value *member = json_read_find(root, name);

	if (member == NULL || !json_read_is_string(member))
		return -1;
	*id_r = json_read_str(member);
	return is_id(*id_r) ? 0 : -1;
}

static int read_name(const struct json_read_value *root, struct str *name_r)
{
	const struct json_read_value *member = json_read_find(root, "name");

	return member != NULL && json_read_is_null(member)
		       ? 0
		       : read_id(root, "name", ids_is_name, name_r);
}

static int read_role(const struct json_read_value *root, enum role *role_r)
{
	const struct json_read_value *member = json_read_find(root, "role");

	return member == NULL || !json_read_is_string(member)
		       ? -1
		       : ids_role_find(json_read_str(member), role_r);
}

static int read_tickets(const struct json_read_value *root, struct jwt_claims *claims)
{
	const struct json_read_value *member = json_read_find(root, "tickets");

	if (member == NULL)
		return -1;
	if (json_read_is_string(member) && str_eq_c(json_read_str(member), "*")) {
		claims->all_tickets = true;
		return 0;
	}
	if (!json_read_is_array(member))
		return -1;
	claims->tickets = calloc(json_read_count(member) + 1, sizeof(*claims->tickets));
	if (claims->tickets == NULL)
		return -1;
	for (member = json_read_first(member); member != NULL; member = json_read_next(member)) {
		struct str ticket = json_read_str(member);

		if (!json_read_is_string(member) || !ids_is_ticket(ticket))
			return -1;
		claims->tickets[claims->n_tickets++] = ticket;
	}
	return 0;
}

static int read_times(const struct json_read_value *root, struct jwt_claims *claims)
{
	const struct json_read_value *exp = json_read_find(root, "exp");
	const struct json_read_value *iat = json_read_find(root, "iat");

	if (exp == NULL || iat == NULL || json_read_int(exp, 1, JWT_TIME_MAX, &claims->exp_s) != 0)
		return -1;
	claims->iat_s = -1;
	return json_read_is_null(iat) ? 0 : json_read_int(iat, 0, JWT_TIME_MAX, &claims->iat_s);
}

int renewal_read(const struct json_read_value *root, struct renewal *renewal_r)
{
	struct renewal renewal = {0};
	struct jwt_claims *claims = &renewal.claims;

	if (read_id(root, "user_id", ids_is_user, &claims->sub) == 0 &&
	    read_id(root, "replaced", authn_is_token_id, &renewal.replaced) == 0 &&
	    read_id(root, "token_id", authn_is_token_id, &claims->jti) == 0 &&
	    read_name(root, &claims->name) == 0 && read_role(root, &claims->role) == 0 &&
	    read_times(root, claims) == 0 && read_tickets(root, claims) == 0) {
		*renewal_r = renewal;
		return 0;
	}
	renewal_deinit(&renewal);
	return -1;
}

void renewal_deinit(struct renewal *renewal)
{
	jwt_claims_deinit(&renewal->claims);
	*renewal = (struct renewal){0};
}
