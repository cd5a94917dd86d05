// SPDX-License-Identifier: BSD-2-Clause
//
// The demo's page in a real browser: usage node widget.mjs PAGE_URL

import assert from "node:assert/strict";
import {withBrowser} from "./browser.mjs";

const url = process.argv[2];
const mark = Date.now().toString(36);
const pane = (user) => `[data-user="${user}"]`;

async function write(page, user, text) {
	await page.fill(`${pane(user)} .text`, text);
	await page.press(`${pane(user)} .text`, "Enter");
}

const bubble = (page, user, text) => page.locator(`${pane(user)} .message`, {hasText: text});

async function live(page) {
	for (const user of ["alice", "bob"])
		await page.waitForSelector(`${pane(user)}[data-state="live"]`);
}

async function theTwoSeeEachOther(page) {
	await write(page, "alice", `hello ${mark}`);
	await bubble(page, "bob", `hello ${mark}`).waitFor();
	await write(page, "bob", `good morning ${mark}`);
	await bubble(page, "alice", `good morning ${mark}`).waitFor();
	await bubble(page, "alice", `hello ${mark}`).getByText(/✓/).waitFor();
	assert.equal(await bubble(page, "alice", `hello ${mark}`).count(), 1);
	assert.equal(await bubble(page, "bob", `hello ${mark}`).count(), 1);
}

async function textStaysText(page) {
	const text = `<img src=x onerror="document.title='owned'"> <b>${mark}</b> & "quotes"`;
	await write(page, "bob", text);
	await bubble(page, "alice", text).waitFor();
	assert.equal(await page.locator(".message img, .message b").count(), 0);
	assert.notEqual(await page.title(), "owned");
}

async function aNoteIsForStaff(page) {
	await page.check(`${pane("alice")} .note input`);
	await write(page, "alice", `between us ${mark}`);
	await page.uncheck(`${pane("alice")} .note input`);
	await write(page, "alice", `for all ${mark}`);
	await bubble(page, "bob", `for all ${mark}`).waitFor();
	assert.equal(await bubble(page, "alice", `between us ${mark}`).count(), 1);
	assert.equal(await bubble(page, "bob", `between us ${mark}`).count(), 0);
}

async function whatTheOtherDoesIsSeen(page) {
	await page.locator(`${pane("alice")} .present`, {hasText: "bob"}).waitFor();
	await page.locator(`${pane("bob")} .present`, {hasText: "alice"}).waitFor();
	await write(page, "alice", `have you read it ${mark}`);
	await bubble(page, "alice", `have you read it ${mark}`).getByText("✓✓ read").waitFor();
	await page.locator(`${pane("bob")} .text`).pressSequentially("let me");
	await page.locator(`${pane("alice")} .typing`, {hasText: "typing"}).waitFor();
	assert.equal(await page.locator(`${pane("bob")} .typing`).textContent(), "");
	await page.fill(`${pane("bob")} .text`, "");
	await page.locator(`${pane("alice")} .typing:empty`).waitFor({state: "attached"});
	await page.locator(`${pane("bob")} .text`).pressSequentially("let me think");
	await page.locator(`${pane("alice")} .typing`, {hasText: "typing"}).waitFor();
	await page.press(`${pane("bob")} .text`, "Enter");
	await bubble(page, "alice", "let me think").first().waitFor();
	await page.locator(`${pane("alice")} .typing:empty`).waitFor({state: "attached"});
}

async function historyComesBack(page) {
	await page.reload();
	await live(page);
	await bubble(page, "bob", `hello ${mark}`).first().waitFor();
	assert.equal(await bubble(page, "bob", `hello ${mark}`).count(), 1);
}

/** The first answers are lost after the server has taken the message: it is still one message. */
async function aLostAnswerIsNoSecondMessage(page) {
	let lost = 0;
	await page.route("**/messages", async (route) => {
		if (route.request().method() !== "POST" || lost >= 2)
			return route.fallback();
		lost++;
		await route.fetch();
		return route.abort();
	});
	await write(page, "bob", `once ${mark}`);
	await bubble(page, "alice", `once ${mark}`).waitFor();
	await bubble(page, "bob", `once ${mark}`).getByText(/✓/).waitFor();
	await page.unroute("**/messages");
	await write(page, "bob", `after ${mark}`);
	await bubble(page, "alice", `after ${mark}`).waitFor();
	assert.equal(await bubble(page, "alice", `once ${mark}`).count(), 1);
	assert.equal(await bubble(page, "bob", `once ${mark}`).count(), 1);
}

await withBrowser({viewport: {width: 1200, height: 800}}, async (context) => {
	const page = await context.newPage();
	await page.goto(url);
	await live(page);
	await theTwoSeeEachOther(page);
	await textStaysText(page);
	await aNoteIsForStaff(page);
	await whatTheOtherDoesIsSeen(page);
	await historyComesBack(page);
	await aLostAnswerIsNoSecondMessage(page);

	await page.setViewportSize({width: 360, height: 700});
	const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
	assert.equal(overflow, 0, "a narrow page does not scroll sideways");
});
