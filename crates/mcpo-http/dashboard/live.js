// The live stream: one connection that is kept, and told about at once when it is not there.
//
//   connecting -> live -> lost -> connecting ...     gate (sign in, refused, off) -> connecting
//   any of them -> paused, while nobody sees the page -> live

import { Refusal, refusal } from './dashboard-base.js';

/** mcpo tells how it is each second; after five without a word it is gone, whatever TCP says. */
const SILENCE_MS_MAX = 5000;
/** mcpo ends a stream now and then on purpose: whoever comes again this soon lost nothing. */
const AGAIN_MS_MAX = 300;
const WAIT_MS = [500, 1000, 2000, 4000];
/** A page that nobody sees for so long gives its connection back: browsers allow six to a host. */
const UNSEEN_MS_MAX = 60_000;
/** Where somebody must do something first, looking often is of no use. */
const GATE_WAIT_MS = 15_000;
/** No event is larger; whoever sends more is not mcpo. */
const PENDING_LETTERS_MAX = 16 << 20;

/** The stream came to its end, as one does that is closed on purpose. */
const ENDED = Symbol('ended');

export class Live {
  #told;
  #last = null;
  #boot = null;
  #tries = 0;
  #wake = null;
  #abort = null;
  #anew = false;
  #late = 0;
  #unseen = 0;
  #paused = false;

  /**
   * `told` has `begun(again)` for a process of mcpo that is new to us, `picture`, `journal`, `lost`,
   * `alerts`, and `phase(name, { problem, retryAt })`.
   */
  constructor(told) {
    this.#told = told;
    document.addEventListener('visibilitychange', () => this.#look());
    this.#look();
  }

  /** Never returns. */
  async run() {
    for (;;) {
      await this.#seen();
      this.#anew = false;
      const problem = await this.#once();
      clearTimeout(this.#late);
      if (this.#anew || this.#paused) continue;
      if (problem === ENDED && this.#tries === 0) {
        this.#tries = 1;
        this.#late = setTimeout(() => this.#told.phase('lost', { retryAt: Date.now() }), AGAIN_MS_MAX);
        continue;
      }
      const gate = gateOf(problem);
      const wait = gate ? GATE_WAIT_MS : WAIT_MS[Math.min(this.#tries, WAIT_MS.length - 1)];
      this.#tries += 1;
      this.#told.phase(gate ?? 'lost', { problem: problem instanceof Refusal ? problem : null, retryAt: Date.now() + wait });
      // Someone who types a key is not to be interrupted.
      await this.#rest(gate === 'sign-in' ? null : wait);
      if (!gate) this.#told.phase('connecting', {});
    }
  }

  /** Tries at once. */
  now() {
    this.#tries = 0;
    this.#wake?.();
  }

  /** Begins anew without a mark, as when somebody has signed in. */
  again() {
    this.#last = null;
    this.#tries = 0;
    this.#anew = true;
    this.#abort?.abort();
    this.#wake?.();
  }

  /** Looks whether anybody sees the page, which goes on at once where it was. */
  #look() {
    clearTimeout(this.#unseen);
    if (document.hidden) {
      this.#unseen = setTimeout(() => { this.#paused = true; this.#abort?.abort(); }, UNSEEN_MS_MAX);
    } else if (this.#paused) {
      this.#paused = false;
      this.#anew = true;
      this.now();
    }
  }

  /** Waits while nobody sees the page. */
  async #seen() {
    while (this.#paused) {
      this.#told.phase('paused', {});
      await this.#rest(null);
    }
  }

  #rest(ms) {
    return new Promise(resolve => {
      const timer = ms === null ? null : setTimeout(resolve, ms);
      this.#wake = () => { clearTimeout(timer); resolve(); };
    });
  }

  /** One connection, to its end; the answer says why it ended. */
  async #once() {
    const abort = new AbortController();
    this.#abort = abort;
    let silence;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS_MAX);
    };
    try {
      heard();
      const headers = { accept: 'text/event-stream', 'x-mcpo-dashboard': '1' };
      if (this.#last !== null) headers['last-event-id'] = this.#last;
      const answer = await fetch('admin/live', { headers, cache: 'no-store', credentials: 'same-origin', signal: abort.signal });
      if (!answer.ok) return await refusal(answer);
      await this.#read(answer.body.getReader(), heard);
      return ENDED;
    } catch {
      return null;
    } finally {
      clearTimeout(silence);
      abort.abort();
    }
  }

  async #read(reader, heard) {
    const decoder = new TextDecoder();
    let pending = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard();
      pending += decoder.decode(value, { stream: true }).replaceAll('\r', '');
      if (pending.length > PENDING_LETTERS_MAX) return;
      const blocks = pending.split('\n\n');
      pending = blocks.pop();
      blocks.forEach(block => this.#take(block));
    }
  }

  /** A mark names the process and the entry; entries of another process are counted anew. */
  #remember(id) {
    this.#last = id;
    const [boot, entry] = id.split('-');
    if (entry === undefined || boot === this.#boot) return;
    const was = this.#boot;
    this.#boot = boot;
    this.#told.begun(was !== null);
  }

  #take(block) {
    let event = 'message';
    let id = null;
    const data = [];
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      if (colon === 0) continue;
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'event') event = value;
      else if (name === 'id') id = value;
      else if (name === 'data') data.push(value);
    }
    if (data.length === 0) return;
    let said;
    try { said = JSON.parse(data.join('\n')); } catch { return; }
    if (id !== null) this.#remember(id);
    this.#tries = 0;
    clearTimeout(this.#late);
    // The page's own slips must not end the stream.
    try { this.#told[event]?.(said); } catch (error) { console.error(error); }
  }
}

/** What stands in the way, where it is not just that nobody answers. */
function gateOf(problem) {
  if (!(problem instanceof Refusal)) return null;
  if (problem.code === 'monitoring_off') return 'off';
  if (problem.status === 401) return 'sign-in';
  if (problem.status === 403) return problem.code === 'forbidden' ? 'refused' : 'sign-in';
  if (problem.status === 404) return 'refused';
  return null;
}
