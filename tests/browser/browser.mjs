// SPDX-License-Identifier: BSD-2-Clause
//
// What the browser tests share: Debian's Chromium, driven by playwright-core.

import assert from "node:assert/strict";
import {chromium} from "playwright-core";

// Nothing that looks for the outside world.
const FLAGS = [
	"--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
	"--disable-background-networking", "--disable-component-update", "--disable-sync",
	// A page that a test makes up comes from no address; it may call this machine all the same.
	"--disable-features=LocalNetworkAccessChecks",
];

/** Runs work(context) in a fresh browser; a script error or a refused policy on a page is a failure. */
export async function withBrowser(options, work) {
	const browser = await chromium.launch({executablePath: "/usr/bin/chromium", args: FLAGS});
	try {
		const context = await browser.newContext({ignoreHTTPSErrors: true, ...options});
		context.setDefaultTimeout(20000);
		const faults = [];
		context.on("weberror", (event) => faults.push(event.error().message));
		context.on("console", (message) => {
			if (message.type() === "error" && /Content Security Policy|Uncaught/.test(message.text()))
				faults.push(message.text());
		});
		await work(context);
		assert.deepEqual(faults, []);
	} finally {
		await browser.close();
	}
}
