// SPDX-License-Identifier: BSD-2-Clause
//
// The page of README's third step, as a site would serve it: usage node readme_page.mjs ORIGIN < HTML
// with the key that the site signs tokens with in BELLHOP_JWT_KEY and its id in BELLHOP_JWT_KID, and the page's
// messages going to ticket T-1. The first token is about to end.

import assert from "node:assert/strict";
import {createHmac} from "node:crypto";
import {readFileSync} from "node:fs";
import {withBrowser} from "./browser.mjs";

const origin = process.argv[2];
const FIRST_S = 6;
const html = readFileSync(0, "utf8");
const text = `from the page ${Date.now().toString(36)}`;

/** What the site mints for Bob. */
function token(lasts) {
	const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
	const now = Math.floor(Date.now() / 1000);
	const claims = {sub: "bob", name: "Bob", role: "requester", tickets: ["T-1"], iat: now, exp: now + lasts};
	const text = `${part({alg: "HS256", kid: process.env.BELLHOP_JWT_KID})}.${part(claims)}`;
	return `${text}.${createHmac("sha256", process.env.BELLHOP_JWT_KEY).update(text).digest("base64url")}`;
}

async function say(page, text) {
	await page.fill("#say input", text);
	await page.click("#say button");
	await page.locator("#messages li", {hasText: text}).waitFor();
	assert.equal(await page.locator("#messages li", {hasText: text}).count(), 1);
	assert.equal(await page.inputValue("#say input"), "");
}

await withBrowser({}, async (context) => {
	const page = await context.newPage();
	const streams = [];
	let lasts = FIRST_S, end = 0;
	page.on("request", (request) => {
		if (request.url().includes("/stream"))
			streams.push(request.url());
	});
	await page.route(`${origin}/desk`, (route) => route.fulfill({contentType: "text/html", body: html}));
	await page.route(`${origin}/chat-token`, async (route) => {
		end ||= Date.now() + FIRST_S * 1000;
		await route.fulfill({contentType: "text/plain", body: token(lasts)});
		lasts = 3600;
	});
	const renewed = page.waitForResponse((answer) => answer.url().endsWith("/v1/session/refresh"));
	await page.goto(`${origin}/desk`);
	assert.equal((await renewed).status(), 200);
	await page.waitForFunction((end) => Date.now() > end + 1000, end);
	await say(page, text);
	assert.equal(streams.length, 1, "the stream has not gone on after its first token's end");
	assert.equal(await page.evaluate(() => document.cookie), "");
});
