// SPDX-License-Identifier: BSD-2-Clause
//
// A session in a browser: usage node session.mjs ORIGIN, with a token in BELLHOP_TOKEN that may act on the ticket in
// BELLHOP_TICKET. A page of the site logs in, listens and writes by the cookie; a page of another origin of the same
// site, to which the browser gives the cookie as well, can do neither.

import assert from "node:assert/strict";
import {withBrowser} from "./browser.mjs";

const origin = process.argv[2];
const {BELLHOP_TOKEN: token, BELLHOP_TICKET: ticket} = process.env;
const path = `/chat/v1/tickets/${ticket}`;
const foreign = "https://localhost:4443";

const blank = {contentType: "text/html", body: "<!doctype html><title>page</title>"};

/** In the page: sends with these headers, and returns the status. */
const send = ([url, headers, content]) => fetch(url, {
	method: "POST",
	headers: {"Content-Type": "application/json", ...headers},
	body: JSON.stringify({content}),
}).then((answer) => answer.status);

/** In the page: opens the stream, and returns the first message's content, or "error". */
const listen = ([url, options]) => new Promise((done) => {
	const events = new EventSource(url, options);
	events.addEventListener("message", (event) => done(JSON.parse(event.data).content));
	events.addEventListener("error", () => events.readyState === EventSource.CLOSED && done("error"));
});

async function ownPage(page) {
	const csrf = await page.evaluate((token) => fetch("/chat/v1/session", {
		method: "POST", headers: {Authorization: `Bearer ${token}`},
	}).then((answer) => answer.json()).then((session) => session.csrf_token), token);
	assert.equal(await page.evaluate(() => document.cookie), "", "scripts can read the cookie");
	assert.equal(await page.evaluate(send, [`${path}/messages`, {"X-CSRF-Token": csrf}, "by cookie"]), 201);
	assert.equal(await page.evaluate(send, [`${path}/messages`, {}, "without the CSRF token"]), 403);
	assert.equal(await page.evaluate(listen, [`${path}/stream?since=0`, {}]), "by cookie");
	await page.reload();
	const again = await page.evaluate(() => fetch("/chat/v1/session").then((answer) => answer.json()));
	assert.equal(again.csrf_token, csrf);
	return csrf;
}

async function foreignPage(context, csrf) {
	const page = await context.newPage();
	const answers = [];
	const told = async (answer) => {
		const sent = await answer.request().allHeaders();
		return [answer.request().method(), answer.status(), (sent.cookie ?? "").includes("__Host-bellhop=")];
	};
	page.on("response", (answer) => {
		if (answer.url().startsWith(origin) && answer.request().method() !== "OPTIONS")
			answers.push(told(answer));
	});
	await page.route(`${foreign}/`, (route) => route.fulfill(blank));
	await page.goto(`${foreign}/`);
	// What a browser sends without asking the site first.
	await page.evaluate(([url, body]) => fetch(url, {method: "POST", mode: "no-cors", credentials: "include", body}),
		[`${origin}${path}/messages`, JSON.stringify({content: "from elsewhere"})]);
	await page.evaluate((url) => fetch(url, {mode: "no-cors", credentials: "include"}), `${origin}${path}/stream`);
	assert.equal(await page.evaluate(listen, [`${origin}${path}/stream?since=0`, {withCredentials: true}]), "error");
	// What it asks about first, and does not send.
	const outcome = await page.evaluate(([url, csrf]) => fetch(url, {
		method: "POST", credentials: "include", body: "{}",
		headers: {"Content-Type": "application/json", "X-CSRF-Token": csrf},
	}).then(() => "sent", () => "blocked"), [`${origin}${path}/messages`, csrf]);
	assert.equal(outcome, "blocked");
	assert.deepEqual(await Promise.all(answers), [["POST", 403, true], ["GET", 403, true]]);
	await page.close();
}

await withBrowser({}, async (context) => {
	const page = await context.newPage();
	await page.route(`${origin}/desk`, (route) => route.fulfill(blank));
	await page.goto(`${origin}/desk`);
	const csrf = await ownPage(page);
	await foreignPage(context, csrf);
	const ended = await page.evaluate((csrf) => fetch("/chat/v1/session", {
		method: "DELETE", headers: {"X-CSRF-Token": csrf},
	}).then((answer) => answer.status), csrf);
	assert.equal(ended, 204);
	assert.equal(await page.evaluate(() => fetch("/chat/v1/session").then((answer) => answer.status)), 401);
	assert.deepEqual((await context.cookies()).filter((cookie) => cookie.name.includes("bellhop")), []);
});
