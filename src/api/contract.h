/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /v1/openapi.yaml: the HTTP contract (OpenAPI 3.1, as RFC 9512 application/yaml), contrib/openapi.yaml
 * as it was when this program was built.
 */
#ifndef BELLHOP_API_CONTRACT_H
#define BELLHOP_API_CONTRACT_H

struct call;

void contract_read(struct call *call);

#endif
