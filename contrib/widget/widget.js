// SPDX-License-Identifier: BSD-2-Clause
//
// A small chat page: two people on one ticket, side by side. Plain JavaScript, no build, no library.
//
// Each side first reads the history, then opens an EventSource at the history's cursor, so nothing
// falls between the two. What is sent carries a client_msg_id and is retried with the same one, so
// it arrives once however often the network fails. Typing, read marks and who is here come by the same stream. Texts go into the page as text, never as HTML.
//
// On this page alone, the stream's address says who listens (?as=): EventSource cannot send the
// token, and two people share one page's cookies. A page of your own has one user: it makes a session
// of the token (POST `${base}/v1/session`), opens `${base}/v1/tickets/${ticket}/stream` as it is, sends
// the session's X-CSRF-Token in place of the token, and renews the session at the event `auth`, as the
// page in README does.

const RETRY_FIRST_MS = 1000;
const RETRY_LONGEST_MS = 15000;
const PAGE_MESSAGES = 50;
const NEAR_END_PX = 80;
const TYPING_AGAIN_MS = 4000; // it expires after 8 seconds
const READ_AFTER_MS = 300;

const timeFormat = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit"});
const fullTimeFormat = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "medium"});

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Waits longer after each failure, with some chance, so that many pages do not come back at once.
function retryDelay(failures) {
	const longest = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 10));
	return longest * (0.5 + Math.random() / 2);
}

function newMessageId() {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** An answer that says no; `code` and `detail` are those of problem+json. */
class Refusal extends Error {
	constructor(response, problem) {
		super(problem.detail || problem.title || `status ${response.status}`);
		this.code = problem.code || "";
		this.isFinal = response.status >= 400 && response.status < 500 && response.status !== 429;
		this.retryAfterMs = Number(response.headers.get("Retry-After") || 0) * 1000;
	}
}

/** The calls of one user on one ticket. */
class Ticket {
	constructor(settings, person) {
		this.url = `${settings.base}/v1/tickets/${encodeURIComponent(settings.ticket)}`;
		this.person = person;
	}

	async call(path, options = {}) {
		const response = await fetch(this.url + path, {
			...options,
			cache: "no-store",
			headers: {...options.headers, Authorization: `Bearer ${this.person.token}`},
		});
		if (!response.ok)
			throw new Refusal(response, await response.json().catch(() => ({})));
		return response.status === 204 ? null : response.json();
	}

	/** For what may be lost: typing, read marks. The next one makes up for it. */
	say(method, path, body) {
		const headers = {"Content-Type": "application/json"};
		this.call(path, {method, headers, body: JSON.stringify(body)}).catch(() => {});
	}

	history(before) {
		const bound = before ? `&before=${before}` : "";
		return this.call(`/messages?limit=${PAGE_MESSAGES}${bound}`);
	}

	send(message) {
		return this.call("/messages", {
			method: "POST",
			headers: {"Content-Type": "application/json"},
			body: JSON.stringify(message),
		});
	}

	stream(cursor) {
		const query = new URLSearchParams({as: this.person.as, last_event_id: cursor});
		return new EventSource(`${this.url}/stream?${query}`);
	}
}

/** What one pane shows: messages by number, and below them those that are on their way. */
class MessageList {
	constructor(pane, person, onRetry) {
		this.person = person;
		this.onRetry = onRetry;
		this.scroll = pane.querySelector(".scroll");
		this.list = pane.querySelector(".messages");
		this.empty = pane.querySelector(".empty");
		this.newer = pane.querySelector(".newer");
		this.template = document.getElementById("message");
		this.shown = new Map();   // seq → {item, message}
		this.pending = new Map(); // client_msg_id → item
		this.readByOthers = 0;    // the newest seq that somebody else has read up to
		this.newer.addEventListener("click", () => this.toEnd());
		this.scroll.addEventListener("scroll", () => {
			if (this.isAtEnd())
				this.newer.hidden = true;
		});
	}

	newest() {
		return Math.max(0, ...this.shown.keys());
	}

	/** Somebody else has read up to there. */
	markRead(seq) {
		if (seq <= this.readByOthers)
			return;
		this.readByOthers = seq;
		for (const {item, message} of this.shown.values())
			this.fillFacts(item, message);
	}

	isAtEnd() {
		const {scrollHeight, scrollTop, clientHeight} = this.scroll;
		return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
	}

	toEnd() {
		this.scroll.scrollTop = this.scroll.scrollHeight;
		this.newer.hidden = true;
	}

	oldest() {
		return Math.min(...this.shown.keys());
	}

	clear() {
		for (const {item} of this.shown.values())
			item.remove();
		this.shown.clear();
	}

	/** Shows a message of the record; a later state replaces an earlier one, never the reverse. */
	put(message) {
		const wasAtEnd = this.isAtEnd();
		const known = this.shown.get(message.seq);
		if (known && (known.message.rev > message.rev || known.message.deleted_at))
			return;
		const mine = message.sender_id === this.person.id;
		const item = known?.item ?? (mine ? this.takePending(message.client_msg_id) : null) ?? this.newItem();
		const isNew = !known;
		this.shown.set(message.seq, {item, message});
		item.dataset.seq = message.seq;
		this.fill(item, message, mine);
		if (isNew)
			this.place(item, message.seq);
		this.group();
		this.settle(wasAtEnd || mine, isNew);
	}

	takePending(id) {
		const item = this.pending.get(id);
		this.pending.delete(id);
		return item;
	}

	/** Puts an item where its number belongs: nearly always at the end, before what is pending. */
	place(item, seq) {
		let next = null;
		for (let other = this.list.lastElementChild; other; other = other.previousElementSibling) {
			if (other === item)
				continue;
			if (other.dataset.seq && Number(other.dataset.seq) < seq)
				break;
			next = other;
		}
		this.list.insertBefore(item, next);
	}

	newItem() {
		return this.template.content.firstElementChild.cloneNode(true);
	}

	fill(item, message, mine) {
		const deleted = Boolean(message.deleted_at);
		item.className = "message";
		item.classList.add(`text-${message.kind}`);
		item.classList.toggle("mine", mine && message.kind !== "system");
		item.dataset.sender = message.sender_id;
		const name = mine ? "You" : message.sender_name || message.sender_id;
		item.querySelector(".sender").textContent = message.kind === "note" ? `${name}, internal note` : name;
		const absent = deleted ? "This message was deleted." : "This message cannot be read at the moment.";
		item.classList.toggle("deleted", message.content === null);
		item.querySelector(".content").textContent = message.content ?? absent;
		const time = item.querySelector("time");
		const sent = new Date(message.sent_at);
		time.dateTime = message.sent_at;
		time.textContent = timeFormat.format(sent);
		time.title = fullTimeFormat.format(sent);
		this.fillFacts(item, message);
		item.querySelector(".again").hidden = true;
	}

	fillFacts(item, message) {
		const mine = message.sender_id === this.person.id;
		const delivery = message.seq <= this.readByOthers ? "✓✓ read" : "✓ delivered";
		const facts = [message.edited_at && !message.deleted_at ? "edited" : "", mine ? delivery : ""];
		item.querySelector(".delivery").textContent = facts.filter(Boolean).join(" · ");
	}

	/** Shows a message that is on its way. */
	addPending(message) {
		const item = this.newItem();
		item.classList.add("mine", "pending", `text-${message.kind}`);
		item.dataset.sender = this.person.id;
		item.querySelector(".sender").textContent = message.kind === "note" ? "You, internal note" : "You";
		item.querySelector(".content").textContent = message.content;
		item.querySelector(".again").addEventListener("click", () => this.onRetry(message));
		this.pending.set(message.client_msg_id, item);
		this.list.append(item);
		this.setDelivery(message, "sending…");
		this.group();
		this.toEnd();
	}

	/** @param failed whether it will not be tried again by itself */
	setDelivery(message, text, failed = false) {
		const item = this.pending.get(message.client_msg_id);
		if (!item)
			return;
		item.classList.toggle("failed", failed);
		item.querySelector(".delivery").textContent = text;
		item.querySelector(".again").hidden = !failed;
	}

	/** One name above several messages of the same person. */
	group() {
		let previous = null;
		for (const item of this.list.children) {
			const same = previous && previous.dataset.sender === item.dataset.sender &&
				previous.classList.contains("text-note") === item.classList.contains("text-note");
			item.classList.toggle("follows", Boolean(same));
			previous = item;
		}
		this.empty.hidden = this.list.children.length > 0;
	}

	settle(follow, isNew) {
		if (follow)
			this.toEnd();
		else if (isNew)
			this.newer.hidden = false;
	}
}

/** Who else is here, and who is typing. */
class Others {
	constructor(pane, person) {
		this.person = person;
		this.typingLine = pane.querySelector(".typing");
		this.presentLine = pane.querySelector(".present");
		this.typists = new Map(); // user → {name, timer}
		this.present = new Set();
	}

	/** As `hello` tells it; null is not known. */
	begin({typing, present}) {
		for (const user of [...this.typists.keys()])
			this.stop(user);
		for (const typist of typing ?? [])
			this.start(typist);
		this.present = new Set(present ?? []);
		this.show();
	}

	start({user_id, name, expires_in_ms}) {
		if (user_id === this.person.id)
			return;
		clearTimeout(this.typists.get(user_id)?.timer);
		const timer = setTimeout(() => this.stop(user_id), expires_in_ms);
		this.typists.set(user_id, {name: name || user_id, timer});
		this.show();
	}

	stop(user) {
		clearTimeout(this.typists.get(user)?.timer);
		this.typists.delete(user);
		this.show();
	}

	/** An event `presence` that names a ticket says who looks at it. */
	look({user_id, status, ticket_id}) {
		if (!ticket_id)
			return;
		if (status === "offline")
			this.present.delete(user_id);
		else
			this.present.add(user_id);
		this.show();
	}

	show() {
		const names = Array.from(this.typists.values(), ({name}) => name);
		this.typingLine.textContent = names.length ? `${names.join(", ")} ${names.length > 1 ? "are" : "is"} typing…` : "";
		const others = [...this.present].filter((user) => user !== this.person.id);
		this.presentLine.textContent = others.length ? `${others.join(", ")} also here` : "";
	}
}

/** One person's side of the page. */
class Pane {
	constructor(root, settings, person) {
		this.root = root;
		this.person = person;
		this.ticket = new Ticket(settings, person);
		this.list = new MessageList(root, person, (message) => this.deliver(message));
		this.others = new Others(root, person);
		this.readSeq = 0;
		this.list.scroll.addEventListener("scroll", () => this.noteRead());
		document.addEventListener("visibilitychange", () => this.noteRead());
		this.earlier = root.querySelector(".earlier");
		this.queue = Promise.resolve();
		this.earlier.addEventListener("click", () => this.loadEarlier());
		this.prepareHead(settings);
		this.prepareComposer();
	}

	prepareHead(settings) {
		const isStaff = this.person.role !== "requester";
		this.root.dataset.role = this.person.role;
		this.root.dataset.user = this.person.id;
		this.root.setAttribute("aria-label", this.person.name);
		this.root.querySelector(".avatar").textContent = this.person.name.charAt(0);
		this.root.querySelector(".who").textContent = this.person.name;
		this.root.querySelector(".what").textContent = isStaff ? "works at the help desk" : "asked for help";
		this.root.querySelector(".scroll").setAttribute("aria-label", `Messages of ticket ${settings.ticket}, as ${this.person.name} sees them`);
		this.root.querySelector(".note").hidden = !isStaff;
	}

	prepareComposer() {
		const form = this.root.querySelector(".composer");
		const text = form.querySelector(".text");
		const button = form.querySelector(".send");
		const note = form.querySelector(".note input");
		const update = () => {
			button.disabled = text.value.trim() === "";
			text.style.height = "auto";
			text.style.height = `${text.scrollHeight + 2}px`;
		};
		text.setAttribute("aria-label", `Message from ${this.person.name}`);
		text.addEventListener("input", update);
		text.addEventListener("keydown", (event) => {
			if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
				event.preventDefault();
				form.requestSubmit();
			}
		});
		note.addEventListener("change", () => form.classList.toggle("is-note", note.checked));
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			if (text.value.trim() === "")
				return;
			this.submit(text.value, note.checked ? "note" : "text");
			text.value = "";
			this.saidTypingAt = 0; // the message has ended it
			update();
			text.focus();
		});
		text.addEventListener("input", () => this.noteTyping(text.value !== ""));
		update();
	}

	/** Told again while it goes on, and once when it ends. */
	noteTyping(isTyping) {
		const now = performance.now();
		if (isTyping ? now - (this.saidTypingAt || -TYPING_AGAIN_MS) < TYPING_AGAIN_MS : !this.saidTypingAt)
			return;
		this.saidTypingAt = isTyping ? now : 0;
		this.ticket.say("POST", "/typing", {typing: isTyping});
	}

	/** What was at the end of a visible page for a moment is read. */
	noteRead() {
		clearTimeout(this.readTimer);
		this.readTimer = setTimeout(() => {
			const newest = this.list.newest();
			if (document.hidden || !this.list.isAtEnd() || newest <= this.readSeq)
				return;
			this.readSeq = newest;
			this.ticket.say("PUT", "/read", {seq: newest});
		}, READ_AFTER_MS);
	}

	show(message) {
		this.list.put(message);
		this.others.stop(message.sender_id);
		this.noteRead();
	}

	/** What `hello` says of this ticket. */
	begin({read, typing, present}) {
		this.others.begin({typing, present});
		for (const [user, seq] of Object.entries(read))
			this.noteOther(user, seq);
		this.noteRead();
	}

	noteOther(user, seq) {
		if (user !== this.person.id)
			this.list.markRead(seq);
	}

	setState(state, text) {
		this.root.dataset.state = state;
		const place = this.root.querySelector(".connection-text");
		if (place.textContent !== text)
			place.textContent = text;
	}

	submit(content, kind) {
		const message = {content, kind, client_msg_id: newMessageId()};
		this.list.addPending(message);
		this.queue = this.queue.then(() => this.deliver(message));
	}

	/** Sends until there is an answer; the same id each time makes it one message. */
	async deliver(message) {
		for (let failures = 0; ; failures++) {
			try {
				const sent = await this.ticket.send(message);
				if (sent.seq === null)
					this.list.setDelivery(message, "accepted");
				else
					this.list.put(sent);
				return;
			} catch (error) {
				if (error instanceof Refusal && error.isFinal) {
					this.list.setDelivery(message, `not sent: ${error.message}`, true);
					return;
				}
				this.list.setDelivery(message, "waiting for the connection…");
				await sleep(Math.max(error.retryAfterMs || 0, retryDelay(failures)));
			}
		}
	}

	/** Reads the newest page, then listens from where it ends; starts over where that is refused. */
	async run() {
		for (let failures = 0; ; failures++) {
			this.setState("wait", "connecting…");
			try {
				const page = await this.ticket.history();
				this.list.clear();
				page.messages.forEach((message) => this.list.put(message));
				this.list.group();
				this.list.toEnd();
				this.earlier.hidden = !page.has_more_before;
				if (await this.listen(page.cursor))
					failures = -1;
			} catch (error) {
				this.setState("away", error instanceof Refusal ? error.message : "no connection");
			}
			await sleep(retryDelay(Math.max(failures, 0)));
		}
	}

	/**
	 * Follows the stream until the browser gives up or history must be read again. EventSource comes
	 * back by itself after a lost connection, with the last id it saw.
	 * @return whether the stream ever opened
	 */
	listen(cursor) {
		return new Promise((done) => {
			const source = this.ticket.stream(cursor);
			let opened = false;
			const on = (type, handle) => source.addEventListener(type, (event) => handle(JSON.parse(event.data)));
			const finish = () => {
				source.close();
				done(opened);
			};
			on("hello", ({mode, tickets}) => {
				opened = true;
				this.setMode(mode);
				Object.values(tickets).forEach((ticket) => this.begin(ticket));
			});
			on("message", (message) => this.show(message));
			on("message-edited", (message) => this.list.put(message));
			on("message-deleted", (message) => this.list.put(message));
			on("message-read", ({user_id, seq}) => this.noteOther(user_id, seq));
			on("typing-start", (typist) => this.others.start(typist));
			on("typing-stop", ({user_id}) => this.others.stop(user_id));
			on("presence", (person) => this.others.look(person));
			on("mode", ({mode}) => this.setMode(mode));
			on("gap", finish);
			on("revoked", () => this.setState("away", "no longer on this ticket"));
			on("bye", () => this.setState("wait", "reconnecting…"));
			source.onerror = () => {
				if (source.readyState === EventSource.CLOSED)
					finish();
				else
					this.setState("wait", "reconnecting…");
			};
		});
	}

	setMode(mode) {
		const texts = {
			"full": "live",
			"no-redis": "live, a little slower",
			"no-postgres": "live, sends are queued",
			"down": "waiting for the server",
		};
		this.setState(mode === "down" ? "away" : "live", texts[mode] ?? "live");
	}

	async loadEarlier() {
		this.earlier.disabled = true;
		try {
			const {scroll} = this.list;
			const fromEnd = scroll.scrollHeight - scroll.scrollTop;
			const page = await this.ticket.history(this.list.oldest());
			page.messages.forEach((message) => this.list.put(message));
			this.list.newer.hidden = true;
			this.earlier.hidden = !page.has_more_before;
			scroll.scrollTop = scroll.scrollHeight - fromEnd;
		} catch (error) {
			this.setState(this.root.dataset.state, error.message);
		} finally {
			this.earlier.disabled = false;
		}
	}
}

async function start() {
	const response = await fetch("config.json", {cache: "no-store"});
	if (!response.ok)
		throw new Error(`config.json: status ${response.status}`);
	const settings = await response.json();
	document.getElementById("ticket").textContent = settings.ticket;
	const template = document.getElementById("pane");
	for (const person of settings.people) {
		const root = template.content.firstElementChild.cloneNode(true);
		document.getElementById("panes").append(root);
		new Pane(root, settings, person).run();
	}
}

start().catch((error) => {
	const notice = document.getElementById("notice");
	notice.textContent = `This page could not start: ${error.message}`;
	notice.hidden = false;
});
