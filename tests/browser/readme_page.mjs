// SPDX-License-Identifier: BSD-2-Clause
//
// The page of README's third step, as a site would serve it: usage node readme_page.mjs ORIGIN < HTML
// with the token in BELLHOP_TOKEN and the page's messages going to ticket T-1.

import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {withBrowser} from "./browser.mjs";

const origin = process.argv[2];
const token = process.env.BELLHOP_TOKEN;
const html = readFileSync(0, "utf8").replace("TOKEN", token);
const text = `from the page ${Date.now().toString(36)}`;

await withBrowser({}, async (context) => {
	await context.addCookies([{
		name: "__Host-bellhop", value: token, url: origin, secure: true, httpOnly: true, sameSite: "Strict",
	}]);
	const page = await context.newPage();
	await page.route(`${origin}/desk`, (route) => route.fulfill({contentType: "text/html", body: html}));
	await page.goto(`${origin}/desk`);
	await page.fill("#say input", text);
	await page.click("#say button");
	await page.locator("#messages li", {hasText: text}).waitFor();
	assert.equal(await page.locator("#messages li", {hasText: text}).count(), 1);
	assert.equal(await page.inputValue("#say input"), "");
});
