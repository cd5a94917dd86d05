// SPDX-License-Identifier: BSD-2-Clause
//
// npm's eventsource, a client that nobody here wrote, follows a ticket. Prints every event as a line
// of JSON, and ends when its standard input does: usage node eventsource.mjs STREAM_URL
// with the token in BELLHOP_TOKEN and the certificate in NODE_EXTRA_CA_CERTS.

import {EventSource} from "eventsource";

const EVENTS = ["hello", "message", "message-edited", "message-deleted", "gap", "mode", "bye"];
const Authorization = `Bearer ${process.env.BELLHOP_TOKEN}`;

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const source = new EventSource(process.argv[2], {
	fetch: (input, init) => fetch(input, {...init, headers: {...init.headers, Authorization}}),
});
for (const type of EVENTS)
	source.addEventListener(type, (event) => print({type, id: event.lastEventId, data: JSON.parse(event.data)}));
source.onerror = (error) => print({type: "error", status: error.code ?? null, closed: source.readyState === 2});

process.stdin.resume();
process.stdin.on("end", () => {
	source.close();
	process.exit(0);
});
