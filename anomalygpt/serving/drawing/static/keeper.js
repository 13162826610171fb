// What was drawn goes to the server after every stroke; one message at a time, the latest counts.

const AGAIN = 2000; // milliseconds until the next try where the server does not answer
const MOST_KEPT_ALIVE = 60000; // bytes that a browser sends after its page was closed

const bytes = crypto.getRandomValues(new Uint8Array(12));
const PAGE = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
let messages = 0;

export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw Object.assign(new Error("the server does not answer"), {silent: true});
  }
  if (response.ok) return response;
  let why = `the server answers ${response.status}`;
  try {
    why = (await response.json()).error || why;
  } catch { /* no reason was given */ }
  throw Object.assign(new Error(why), {status: response.status});
}

export class Keeper {
  // `tell` gets ("kept" | "keeping" | "lost" | "refused", why) for the status line.
  constructor(number, mask, version, tell) {
    Object.assign(this, {number, mask, version, tell});
    this.waits = false; // strokes that the server has not got
    this.sending = null;
    this.stopped = false;
  }

  // A stroke has ended.
  changed() {
    this.waits = true;
    this.tell("keeping");
    this.pump();
  }

  pump() {
    if (!this.sending && this.waits && !this.stopped)
      this.sending = this.send().finally(() => {
        this.sending = null;
        if (this.waits && !this.stopped && !this.timer) this.pump();
      });
    return this.sending;
  }

  async send() {
    this.waits = false;
    try {
      const body = this.mask.runs();
      const answer = await this.post("draft", "POST", body);
      this.version = answer.version;
      if (!this.waits) this.tell("kept", answer.regions);
    } catch (error) {
      this.waits = true;
      if (!error.silent) {
        this.stopped = true;
        this.tell("refused", error.message);
        return;
      }
      this.tell("lost", error.message);
      this.timer = setTimeout(() => {
        this.timer = null;
        this.pump();
      }, AGAIN);
    }
  }

  // Wait until the server has everything; false where it does not get it.
  async flush() {
    while (this.waits || this.sending) {
      if (this.stopped || this.timer) return false;
      await this.pump();
    }
    return !this.stopped;
  }

  // "mask" with POST saves, "draft" with DELETE goes back to what was saved.
  async finish(what, method) {
    clearTimeout(this.timer);
    this.timer = null;
    while (this.sending) await this.sending;
    const waited = this.waits;
    this.waits = false;
    try {
      const body = method === "POST" ? this.mask.runs() : undefined;
      const answer = await this.post(what, method, body);
      this.version = answer.version;
      return answer;
    } catch (error) {
      this.waits = waited;
      this.pump();
      throw error;
    }
  }

  async post(what, method, body) {
    messages += 1;
    const who = new URLSearchParams({base: this.version, page: PAGE, number: messages});
    const keepalive = !body || body.byteLength < MOST_KEPT_ALIVE;
    const path = `photos/${this.number}/${what}?${who}`;
    return (await ask(path, {method, body, keepalive})).json();
  }

  // The page is closed: send what waits, without waiting for an answer.
  leave() {
    if (this.waits && !this.stopped) this.post("draft", "POST", this.mask.runs()).catch(() => {});
  }
}
