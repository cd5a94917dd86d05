/* SPDX-License-Identifier: BSD-2-Clause */
/* How the service is, and who a token is: what load balancers, operators and web servers ask. */
#ifndef BELLHOP_API_H_HEALTH_H
#define BELLHOP_API_H_HEALTH_H

struct call;

/* GET /v1/healthz */
void h_health_alive(struct call *call);

/* GET /v1/readyz */
void h_health_ready(struct call *call);

/* GET /v1/health/redis */
void h_health_redis(struct call *call);

/* GET /v1/auth */
void h_health_auth(struct call *call);

#endif
