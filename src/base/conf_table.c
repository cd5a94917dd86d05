/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of settings. */
#include "config.h"

#include "base/conf_table.h"

#define DAEMONS	   (CONF_BY_API | CONF_BY_PUSH | CONF_BY_ARCHIVE)
#define WEB	   (CONF_BY_API | CONF_BY_PUSH)
#define EVERYBODY  (DAEMONS | CONF_BY_COMMAND)
#define RELOADABLE CONF_RELOADABLE
#define SECRET	   CONF_SECRET

static const struct conf_item items[CONF_COUNT] = {
	[CONF_BASE_PATH] =
		{
			.name = "BELLHOP_BASE_PATH",
			.fallback = "/chat",
			.section = "general",
			.help = "path below which the API is served",
			.type = CONF_TYPE_URL_PATH,
			.flags = WEB | CONF_BY_COMMAND,
		},
	[CONF_LOG_LEVEL] =
		{
			.name = "BELLHOP_LOG_LEVEL",
			.fallback = "info",
			.choices = "error warn info debug",
			.section = "general",
			.help = "least important level that is logged",
			.type = CONF_TYPE_CHOICE,
			.flags = DAEMONS | RELOADABLE,
		},
	[CONF_LOG_FORMAT] =
		{
			.name = "BELLHOP_LOG_FORMAT",
			.fallback = "text",
			.choices = "text json",
			.section = "general",
			.help = "form of a log line",
			.type = CONF_TYPE_CHOICE,
			.flags = DAEMONS | RELOADABLE,
		},
	[CONF_RUN_AS] =
		{
			.name = "BELLHOP_RUN_AS",
			.fallback = "",
			.section = "general",
			.help = "user that a daemon becomes which root has started",
			.type = CONF_TYPE_TEXT,
			.flags = EVERYBODY,
		},
	[CONF_JWT_KEY_FILE] =
		{
			.name = "BELLHOP_JWT_KEY_FILE",
			.fallback = "",
			.section = "identity",
			.help = "key that tokens are signed with (HS256 secret, or Ed25519 in PEM)",
			.type = CONF_TYPE_PATH,
			.flags = WEB | CONF_BY_COMMAND | RELOADABLE,
		},
	[CONF_JWT_KID] =
		{
			.name = "BELLHOP_JWT_KID",
			.fallback = "main",
			.section = "identity",
			.help = "key id of that key",
			.type = CONF_TYPE_TEXT,
			.flags = WEB | CONF_BY_COMMAND | RELOADABLE,
		},
	[CONF_JWT_KEYS_DIR] =
		{
			.name = "BELLHOP_JWT_KEYS_DIR",
			.fallback = "",
			.section = "identity",
			.help = "directory of further keys; the file name is the key id",
			.type = CONF_TYPE_PATH,
			.flags = WEB | CONF_BY_COMMAND | RELOADABLE,
		},
	[CONF_JWT_ISSUER] =
		{
			.name = "BELLHOP_JWT_ISSUER",
			.fallback = "",
			.section = "identity",
			.help = "if set, the iss that a token must have",
			.type = CONF_TYPE_TEXT,
			.flags = WEB | CONF_BY_COMMAND | RELOADABLE,
		},
	[CONF_JWT_AUDIENCE] =
		{
			.name = "BELLHOP_JWT_AUDIENCE",
			.fallback = "",
			.section = "identity",
			.help = "if set, the aud that a token must have",
			.type = CONF_TYPE_TEXT,
			.flags = WEB | CONF_BY_COMMAND | RELOADABLE,
		},
	[CONF_TOKEN_MAX_DAYS] =
		{
			.name = "BELLHOP_TOKEN_MAX_DAYS",
			.fallback = "31",
			.section = "identity",
			.help = "longest time to a token's expiry",
			.min = 1,
			.max = 3660,
			.type = CONF_TYPE_INT,
			.flags = WEB | CONF_BY_COMMAND | RELOADABLE,
		},
	[CONF_SECRET_FILE] =
		{
			.name = "BELLHOP_SECRET_FILE",
			.fallback = "",
			.section = "identity",
			.help = "file of at least 32 bytes for keyed digests and CSRF tokens",
			.type = CONF_TYPE_PATH,
			.flags = CONF_BY_API | CONF_BY_COMMAND,
		},
	[CONF_SEAL_KEYS_FILE] =
		{
			.name = "BELLHOP_SEAL_KEYS_FILE",
			.fallback = "",
			.section = "identity",
			.help = "file of the keys that message texts are sealed with",
			.type = CONF_TYPE_PATH,
			.flags = WEB | CONF_BY_COMMAND | RELOADABLE,
		},
	[CONF_TRUST_PARAMS] =
		{
			.name = "BELLHOP_TRUST_PARAMS",
			.fallback = "no",
			.section = "identity",
			.help = "accept the identity that the web server passes in BELLHOP_USER and so on",
			.type = CONF_TYPE_BOOL,
			.flags = WEB | CONF_BY_COMMAND | RELOADABLE,
		},
	[CONF_ALLOWED_ORIGINS] =
		{
			.name = "BELLHOP_ALLOWED_ORIGINS",
			.fallback = "",
			.section = "identity",
			.help = "origins whose pages may use the cookie, such as https://desk.example.org",
			.type = CONF_TYPE_LIST,
			.flags = WEB | CONF_BY_COMMAND | RELOADABLE,
		},
	[CONF_CORS_ORIGINS] =
		{
			.name = "BELLHOP_CORS_ORIGINS",
			.fallback = "",
			.section = "identity",
			.help = "other origins whose pages may call here and read the answers (CORS)",
			.type = CONF_TYPE_LIST,
			.flags = WEB | CONF_BY_COMMAND | RELOADABLE,
		},
	[CONF_REDIS_URL] =
		{
			.name = "REDIS_URL",
			.fallback = "redis://127.0.0.1:6379/0",
			.section = "stores",
			.help = "Redis: redis[s]://[user:password@]host:port/db or unix:///path?db=N",
			.type = CONF_TYPE_TEXT,
			.flags = EVERYBODY | SECRET,
		},
	[CONF_REDIS_PASSWORD] =
		{
			.name = "REDIS_PASSWORD",
			.fallback = "",
			.section = "stores",
			.help = "password for Redis, if the URL has none",
			.type = CONF_TYPE_TEXT,
			.flags = EVERYBODY | SECRET,
		},
	[CONF_REDIS_CONNECT_TIMEOUT] =
		{
			.name = "REDIS_CONNECT_TIMEOUT",
			.fallback = "1",
			.section = "stores",
			.help = "seconds to wait for a connection to Redis",
			.min = 1,
			.max = 60,
			.type = CONF_TYPE_INT,
			.flags = EVERYBODY,
		},
	[CONF_REDIS_ADMIN_URL] =
		{
			.name = "REDIS_ADMIN_URL",
			.fallback = "",
			.section = "stores",
			.help = "Redis as a user who may load functions; else REDIS_URL",
			.type = CONF_TYPE_TEXT,
			.flags = CONF_BY_ARCHIVE | CONF_BY_COMMAND | SECRET,
		},
	[CONF_REDIS_CA] =
		{
			.name = "REDIS_CA",
			.fallback = "",
			.section = "stores",
			.help = "file of certificates to trust for rediss://; else the system's",
			.type = CONF_TYPE_PATH,
			.flags = EVERYBODY,
		},
	[CONF_REDIS_CERT_FILE] =
		{
			.name = "REDIS_CERT_FILE",
			.fallback = "",
			.section = "stores",
			.help = "certificate to show to Redis, where it asks for one",
			.type = CONF_TYPE_PATH,
			.flags = EVERYBODY,
		},
	[CONF_REDIS_KEY_FILE] =
		{
			.name = "REDIS_KEY_FILE",
			.fallback = "",
			.section = "stores",
			.help = "key of that certificate; else in its file",
			.type = CONF_TYPE_PATH,
			.flags = EVERYBODY,
		},
	[CONF_REDIS_PREFIX] =
		{
			.name = "BELLHOP_REDIS_PREFIX",
			.fallback = "bellhop:",
			.section = "stores",
			.help = "what all our keys in Redis begin with",
			.type = CONF_TYPE_TEXT,
			.flags = EVERYBODY,
		},
	[CONF_REDIS_TIMEOUT_MS] =
		{
			.name = "BELLHOP_REDIS_TIMEOUT_MS",
			.fallback = "250",
			.section = "stores",
			.help = "how long an answer of Redis may take",
			.min = 10,
			.max = 60000,
			.type = CONF_TYPE_INT,
			.flags = EVERYBODY,
		},
	[CONF_DATABASE_URL] =
		{
			.name = "DATABASE_URL",
			.fallback = "postgresql:///bellhop",
			.section = "stores",
			.help = "PostgreSQL, as libpq takes it",
			.type = CONF_TYPE_TEXT,
			.flags = EVERYBODY | SECRET,
		},
	[CONF_DATABASE_OWNER_URL] =
		{
			.name = "DATABASE_OWNER_URL",
			.fallback = "",
			.section = "stores",
			.help = "PostgreSQL as the owner of the schema, to change it; else DATABASE_URL",
			.type = CONF_TYPE_TEXT,
			.flags = CONF_BY_COMMAND | SECRET,
		},
	[CONF_PG_TIMEOUT_MS] =
		{
			.name = "BELLHOP_PG_TIMEOUT_MS",
			.fallback = "2000",
			.section = "stores",
			.help = "how long an answer of PostgreSQL may take",
			.min = 10,
			.max = 60000,
			.type = CONF_TYPE_INT,
			.flags = EVERYBODY,
		},
	[CONF_PG_POOLED] =
		{
			.name = "BELLHOP_PG_POOLED",
			.fallback = "no",
			.section = "stores",
			.help = "a pooler such as pgbouncer in transaction mode is in between",
			.type = CONF_TYPE_BOOL,
			.flags = EVERYBODY,
		},
	[CONF_API_SOCKET] =
		{
			.name = "BELLHOP_API_SOCKET",
			.fallback = "/run/bellhop/api.sock",
			.section = "sockets",
			.help = "unix socket of bellhop-api",
			.type = CONF_TYPE_PATH,
			.flags = CONF_BY_API | CONF_BY_COMMAND,
		},
	[CONF_PUSH_SOCKET] =
		{
			.name = "BELLHOP_PUSH_SOCKET",
			.fallback = "/run/bellhop/push.sock",
			.section = "sockets",
			.help = "unix socket of bellhop-push",
			.type = CONF_TYPE_PATH,
			.flags = CONF_BY_PUSH | CONF_BY_COMMAND,
		},
	[CONF_SOCKET_MODE] =
		{
			.name = "BELLHOP_SOCKET_MODE",
			.fallback = "0660",
			.section = "sockets",
			.help = "rights of these sockets",
			.min = 0,
			.max = 0777,
			.type = CONF_TYPE_MODE,
			.flags = WEB | CONF_BY_COMMAND,
		},
	[CONF_SOCKET_GROUP] =
		{
			.name = "BELLHOP_SOCKET_GROUP",
			.fallback = "",
			.section = "sockets",
			.help = "group of these sockets: the web server's",
			.type = CONF_TYPE_TEXT,
			.flags = WEB | CONF_BY_COMMAND,
		},
	[CONF_SOCKET_PEERS] =
		{
			.name = "BELLHOP_SOCKET_PEERS",
			.fallback = "",
			.section = "sockets",
			.help = "users who may connect; empty: whom the mode lets in",
			.type = CONF_TYPE_LIST,
			.flags = WEB | CONF_BY_COMMAND,
		},
	[CONF_SOCKET_BACKLOG] =
		{
			.name = "BELLHOP_SOCKET_BACKLOG",
			.fallback = "4096",
			.section = "sockets",
			.help = "connections that may wait to be accepted",
			.min = 1,
			.max = 65535,
			.type = CONF_TYPE_INT,
			.flags = WEB,
		},
	[CONF_API_WORKERS] =
		{
			.name = "BELLHOP_API_WORKERS",
			.fallback = "8",
			.section = "api",
			.help = "worker processes",
			.min = 1,
			.max = 256,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_API | CONF_BY_COMMAND,
		},
	[CONF_IO_TIMEOUT_MS] =
		{
			.name = "BELLHOP_IO_TIMEOUT_MS",
			.fallback = "10000",
			.section = "api",
			.help = "how long the web server may take to send or read",
			.min = 100,
			.max = 600000,
			.type = CONF_TYPE_INT,
			.flags = WEB,
		},
	[CONF_LIMIT_BODY] =
		{
			.name = "BELLHOP_LIMIT_BODY",
			.fallback = "65536",
			.section = "api",
			.help = "longest request body in bytes, 1 MiB for a service; 0: no limit of ours",
			.min = 0,
			.max = 16777216,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_API | RELOADABLE,
		},
	[CONF_STOP_TIMEOUT_MS] =
		{
			.name = "BELLHOP_STOP_TIMEOUT_MS",
			.fallback = "10000",
			.section = "api",
			.help = "how long a stop waits for requests and streams",
			.min = 100,
			.max = 600000,
			.type = CONF_TYPE_INT,
			.flags = WEB,
		},
	[CONF_HANG_TIMEOUT_MS] =
		{
			.name = "BELLHOP_HANG_TIMEOUT_MS",
			.fallback = "30000",
			.section = "api",
			.help = "how long a process may hang before it is replaced; 0: for ever",
			.min = 0,
			.max = 3600000,
			.type = CONF_TYPE_INT,
			.flags = WEB,
		},
	[CONF_LIMIT_SENDS] =
		{
			.name = "BELLHOP_LIMIT_SENDS",
			.fallback = "20/10",
			.section = "limits",
			.help = "messages that a user may send in so many seconds, services excepted",
			.type = CONF_TYPE_RATE,
			.flags = CONF_BY_API | RELOADABLE,
		},
	[CONF_LIMIT_CALLS] =
		{
			.name = "BELLHOP_LIMIT_CALLS",
			.fallback = "120/10",
			.section = "limits",
			.help = "other calls and polls of a user in so many seconds, services excepted",
			.type = CONF_TYPE_RATE,
			.flags = WEB | RELOADABLE,
		},
	[CONF_LIMIT_DRY_RUN] =
		{
			.name = "BELLHOP_LIMIT_DRY_RUN",
			.fallback = "no",
			.section = "limits",
			.help = "log what these two would refuse, and refuse nothing",
			.type = CONF_TYPE_BOOL,
			.flags = WEB | RELOADABLE,
		},
	[CONF_HEARTBEAT_MS] =
		{
			.name = "BELLHOP_HEARTBEAT_MS",
			.fallback = "15000",
			.section = "push",
			.help = "pause between two signs of life in a stream",
			.min = 100,
			.max = 600000,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_PUSH | RELOADABLE,
		},
	[CONF_RETRY_MS] =
		{
			.name = "BELLHOP_RETRY_MS",
			.fallback = "3000",
			.section = "push",
			.help = "when a browser is told to reconnect",
			.min = 10,
			.max = 600000,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_PUSH | RELOADABLE,
		},
	[CONF_LIMIT_STREAMS] =
		{
			.name = "BELLHOP_LIMIT_STREAMS",
			.fallback = "20",
			.section = "push",
			.help = "streams that a user may have open, services excepted; 0: no limit",
			.min = 0,
			.max = 1000000,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_PUSH | RELOADABLE,
		},
	[CONF_LIMIT_STREAM_TICKETS] =
		{
			.name = "BELLHOP_LIMIT_STREAM_TICKETS",
			.fallback = "64",
			.section = "push",
			.help = "tickets of one stream or poll; 128 for a service, and where it is 0",
			.min = 0,
			.max = 128,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_PUSH | RELOADABLE,
		},
	[CONF_SLOW_BYTES] =
		{
			.name = "BELLHOP_SLOW_BYTES",
			.fallback = "262144",
			.section = "push",
			.help = "unsent live bytes after which a client is too slow",
			.min = 4096,
			.max = 1073741824,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_PUSH | RELOADABLE,
		},
	[CONF_RING_EVENTS] =
		{
			.name = "BELLHOP_RING_EVENTS",
			.fallback = "256",
			.section = "push",
			.help = "events of a watched ticket kept in memory",
			.min = 1,
			.max = 65536,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_PUSH,
		},
	[CONF_PUSH_CONNECTIONS] =
		{
			.name = "BELLHOP_PUSH_CONNECTIONS",
			.fallback = "20000",
			.section = "push",
			.help = "connections at a time",
			.min = 1,
			.max = 1000000,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_PUSH,
		},
	[CONF_SWEEP_MS] =
		{
			.name = "BELLHOP_SWEEP_MS",
			.fallback = "500",
			.section = "archive",
			.help = "pause between two sweeps of PostgreSQL into Redis",
			.min = 50,
			.max = 2000,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_ARCHIVE,
		},
	[CONF_WINDOW_EVENTS] =
		{
			.name = "BELLHOP_WINDOW_EVENTS",
			.fallback = "1000",
			.section = "archive",
			.help = "events of a ticket kept in Redis",
			.min = 1,
			.max = 1000000,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_ARCHIVE | RELOADABLE,
		},
	[CONF_WINDOW_HOURS] =
		{
			.name = "BELLHOP_WINDOW_HOURS",
			.fallback = "24",
			.section = "archive",
			.help = "how long they are kept",
			.min = 1,
			.max = 87600,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_ARCHIVE | RELOADABLE,
		},
	[CONF_WINDOW_BYTES] =
		{
			.name = "BELLHOP_WINDOW_BYTES",
			.fallback = "1048576",
			.section = "archive",
			.help = "bytes of a ticket kept in Redis",
			.min = 4096,
			.max = 1073741824,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_ARCHIVE | RELOADABLE,
		},
	[CONF_WINDOW_MIN] =
		{
			.name = "BELLHOP_WINDOW_MIN",
			.fallback = "50",
			.section = "archive",
			.help = "events kept whatever their age and size",
			.min = 0,
			.max = 1000000,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_ARCHIVE | RELOADABLE,
		},
	[CONF_IDLE_MINUTES] =
		{
			.name = "BELLHOP_IDLE_MINUTES",
			.fallback = "60",
			.section = "archive",
			.help = "after which a quiet ticket leaves Redis",
			.min = 1,
			.max = 525600,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_ARCHIVE | RELOADABLE,
		},
	[CONF_KEEP_OPEN_DAYS] =
		{
			.name = "BELLHOP_KEEP_OPEN_DAYS",
			.fallback = "0",
			.section = "archive",
			.help = "days that events of open tickets are kept; 0 for ever",
			.min = 0,
			.max = 36500,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_ARCHIVE | RELOADABLE,
		},
	[CONF_KEEP_CLOSED_DAYS] =
		{
			.name = "BELLHOP_KEEP_CLOSED_DAYS",
			.fallback = "0",
			.section = "archive",
			.help = "days that events of closed tickets are kept; 0 for ever",
			.min = 0,
			.max = 36500,
			.type = CONF_TYPE_INT,
			.flags = CONF_BY_ARCHIVE | RELOADABLE,
		},
	[CONF_SQL_DIR] =
		{
			.name = "BELLHOP_SQL_DIR",
			.fallback = BELLHOP_PKGDATADIR "/sql",
			.section = "command",
			.help = "migrations and Redis functions",
			.type = CONF_TYPE_PATH,
			.flags = CONF_BY_ARCHIVE | CONF_BY_COMMAND,
		},
	[CONF_URL] =
		{
			.name = "BELLHOP_URL",
			.fallback = "https://localhost/chat",
			.section = "command",
			.help = "address of the site's API",
			.type = CONF_TYPE_TEXT,
			.flags = CONF_BY_COMMAND,
		},
	[CONF_PLAIN_URL] =
		{
			.name = "BELLHOP_PLAIN_URL",
			.fallback = "",
			.section = "command",
			.help = "the same without TLS, on loopback, for load tests",
			.type = CONF_TYPE_TEXT,
			.flags = CONF_BY_COMMAND,
		},
	[CONF_CA] =
		{
			.name = "BELLHOP_CA",
			.fallback = "",
			.section = "command",
			.help = "file of certificates to trust for that address",
			.type = CONF_TYPE_PATH,
			.flags = CONF_BY_COMMAND,
		},
	[CONF_TOKEN] =
		{
			.name = "BELLHOP_TOKEN",
			.fallback = "",
			.section = "command",
			.help = "token that the command uses",
			.type = CONF_TYPE_TEXT,
			.flags = CONF_BY_COMMAND | SECRET,
		},
	[CONF_TOKEN_AGENT] =
		{
			.name = "BELLHOP_TOKEN_AGENT",
			.fallback = "",
			.section = "command",
			.help = "token of --as agent",
			.type = CONF_TYPE_TEXT,
			.flags = CONF_BY_COMMAND | SECRET,
		},
	[CONF_TOKEN_REQUESTER] =
		{
			.name = "BELLHOP_TOKEN_REQUESTER",
			.fallback = "",
			.section = "command",
			.help = "token of --as requester",
			.type = CONF_TYPE_TEXT,
			.flags = CONF_BY_COMMAND | SECRET,
		},
	[CONF_TOKEN_SERVICE] =
		{
			.name = "BELLHOP_TOKEN_SERVICE",
			.fallback = "",
			.section = "command",
			.help = "token of --as service",
			.type = CONF_TYPE_TEXT,
			.flags = CONF_BY_COMMAND | SECRET,
		},
	[CONF_TOKEN_ADMIN] =
		{
			.name = "BELLHOP_TOKEN_ADMIN",
			.fallback = "",
			.section = "command",
			.help = "token of --as admin",
			.type = CONF_TYPE_TEXT,
			.flags = CONF_BY_COMMAND | SECRET,
		},
};

const struct conf_item *conf_table_item(enum conf_key key)
{
	return &items[key];
}

int conf_table_find(struct str name)
{
	for (int i = 0; i < CONF_COUNT; i++) {
		if (str_eq_c(name, items[i].name))
			return i;
	}
	return -1;
}
