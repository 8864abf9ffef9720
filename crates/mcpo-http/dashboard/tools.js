// The tools of one server, and a form to try each.

import { $, Refusal, ask, arrange, h, mark, put, settled } from './dashboard-base.js';
import { formOf } from './dashboard-form.js';
import { many, seconds, sentence } from './dashboard-words.js';

const SHOWN_MAX = 200;
/** An answer's text that is shown; all of it is there to copy. */
const SHOWN_LETTERS_MAX = 200_000;
const OUTCOMES = {
  reply: 'the server answered',
  not_sent: 'the call was not carried out',
  refused: 'the server said "not now"',
  unknown: 'it may have been carried out; nobody can know',
};

let latest = null;
/** Of the server that is shown: its name, how many tools it had, its document and its tools. */
let shown = { server: undefined, count: null, document: null, tools: [] };
let chosen = null;
let visible = false;
let reading = null;

export function init() {
  $('tools-server').addEventListener('change', () => read());
  $('tools-search').addEventListener('input', settled(80, list));
  new IntersectionObserver(([one]) => { visible = one.isIntersecting; if (visible) show(latest); }, { rootMargin: '300px' }).observe($('tools'));
}

/** Reads the document of the server that is chosen once somebody can see it, and when its tools changed. */
export function show(picture) {
  latest = picture;
  if (!picture || !visible) return;
  const server = picture.servers.find(({ name }) => name === $('tools-server').value);
  if ((server?.name ?? null) !== shown.server || (server && server.tools !== shown.count)) read();
}

/** Shows one server's tools. */
export function open(name) {
  $('tools-server').value = name;
  $('tools-search').value = '';
  $('tools').scrollIntoView();
  $('tools-server').focus({ preventScroll: true });
  read();
}

async function read() {
  const name = $('tools-server').value || null;
  if (name === reading) return;
  reading = name;
  const server = latest?.servers.find(one => one.name === name);
  if (name !== shown.server) choose(null);
  const next = { server: name, count: server?.tools ?? null, document: null, tools: [] };
  let words = name === null ? 'No server is configured.' : 'Its tools are not known before it was up once.';
  try {
    if (name !== null && server?.tools) {
      next.document = await documentOf(name);
      next.tools = toolsOf(next.document.document, next.document.base);
      words = 'It offers no tools.';
    }
  } catch (refused) {
    words = `Its tools cannot be read: ${refused.message}.`;
  } finally {
    reading = null;
  }
  if (name !== ($('tools-server').value || null)) return read();
  shown = { ...next, words };
  list();
  const again = chosen && shown.tools.find(({ path }) => path === chosen.path);
  if (!chosen) choose(null);
  else if (!again) choose(null);
}

/** A server's own document. With one server on the command line it is the root's. */
async function documentOf(name) {
  const base = `${encodeURIComponent(name)}/`;
  try {
    return { document: await ask(`${base}openapi.json`), base };
  } catch (refused) {
    if (!(refused instanceof Refusal) || refused.status !== 404) throw refused;
    const document = await ask('openapi.json');
    // With a prefix before the servers, the document of all says where each one is.
    const at = Object.keys(document.paths).map(path => path.split(`/${encodeURIComponent(name)}/`)).find(pieces => pieces.length > 1);
    if (!at) return { document, base: '' };
    const prefixed = `${at[0].slice(1)}/${base}`.replace(/^\//, '');
    return { document: await ask(`${prefixed}openapi.json`), base: prefixed };
  }
}

function toolsOf(document, base) {
  return Object.entries(document.paths ?? {}).filter(([, item]) => item.post).map(([path, { post }]) => ({
    // Browsers would take `..` and `.` for steps; mcpo takes them percent-encoded.
    path: base + path.replace(/^\//, ''),
    name: decoded(path.replace(/^\//, '')),
    title: post['x-mcp-title'] ?? null,
    about: post.description ?? post.summary ?? '',
    hints: post['x-mcp-annotations'] ?? {},
    schema: post.requestBody?.content?.['application/json']?.schema ?? {},
  }));
}

function decoded(path) {
  try { return decodeURIComponent(path); } catch { return path; }
}

const rows = new Map();

function list() {
  const words = $('tools-search').value.trim().toLowerCase();
  const fitting = shown.tools.filter(tool => `${tool.name} ${tool.title ?? ''} ${tool.about}`.toLowerCase().includes(words));
  rows.clear();
  const all = fitting.slice(0, SHOWN_MAX).map(tool => {
    const button = h('button', { type: 'button', 'aria-pressed': String(chosen?.path === tool.path), onclick: () => choose(tool) },
      h('b', {}, tool.name), h('span', { class: 'muted' }, tool.about.split('\n')[0].slice(0, 140)));
    rows.set(tool.path, button);
    return h('li', {}, button);
  });
  if (fitting.length > SHOWN_MAX) all.push(h('li', { class: 'muted' }, `and ${fitting.length - SHOWN_MAX} more: search for one`));
  if (all.length === 0) all.push(h('li', { class: 'empty' }, shown.tools.length > 0 ? 'No tool fits.' : shown.words ?? ''));
  arrange($('tools-list'), all);
}

// === One tool ===

function choose(tool) {
  chosen = tool;
  rows.forEach((button, path) => mark(button, 'aria-pressed', String(path === tool?.path)));
  const place = $('tools-one');
  if (!tool) {
    place.replaceChildren(h('p', { class: 'empty' }, 'Choose a tool to see what it takes, and to try it.'));
    return;
  }
  const form = formOf(tool.schema, shown.document.document);
  const go = h('button', { type: 'submit', class: 'primary' }, 'Call');
  const stop = h('button', { type: 'button', disabled: true }, 'Abort');
  const copy = h('button', { type: 'button', class: 'quiet', onclick: () => copyCurl(tool, form, copy) }, 'Copy as curl');
  const result = h('div', { class: 'outcome', role: 'status', 'aria-live': 'polite' });
  const element = h('form', { novalidate: true },
    h('h3', {}, tool.name), tool.title && tool.title !== tool.name ? h('p', { class: 'muted' }, tool.title) : null,
    tool.about ? h('p', { class: 'description' }, tool.about) : null,
    hints(tool.hints), form.element,
    h('div', { class: 'buttons' }, go, stop, copy), result);
  element.addEventListener('submit', event => {
    event.preventDefault();
    const body = form.read();
    if (body !== null) call(tool, body, { go, stop, result });
  });
  place.replaceChildren(element);
  // On a phone the form is below the list.
  if (matchMedia('(max-width: 760px)').matches) place.scrollIntoView();
}

function hints({ readOnlyHint, destructiveHint, idempotentHint }) {
  const words = [
    readOnlyHint === true && 'only reads', readOnlyHint !== true && destructiveHint === true && 'may destroy things',
    idempotentHint === true && 'may be repeated',
  ].filter(Boolean);
  return words.length > 0 ? h('p', { class: 'hints', 'data-tone': destructiveHint && !readOnlyHint ? 'warn' : null }, `It says of itself: ${words.join(', ')}.`) : null;
}

async function call(tool, body, { go, stop, result }) {
  const abort = new AbortController();
  const started = performance.now();
  const taken = () => seconds((performance.now() - started) / 1000);
  const running = h('p', { class: 'muted' }, 'Calling …');
  result.replaceChildren(running);
  const ticking = setInterval(() => put(running, `Calling … ${taken()}`), 500);
  go.disabled = true;
  stop.disabled = false;
  stop.onclick = () => abort.abort();
  try {
    const answer = await fetch(tool.path, {
      method: 'POST', body, signal: abort.signal, credentials: 'same-origin',
      headers: { 'content-type': 'application/json', 'x-mcpo-dashboard': '1' },
    });
    const text = await answer.text();
    showAnswer(result, answer, text, taken());
  } catch (error) {
    const words = error.name === 'AbortError' ? `Aborted after ${taken()}. The server was told; it may have begun.` : 'mcpo does not answer.';
    result.replaceChildren(h('p', { class: 'verdict-line', 'data-tone': 'bad' }, words));
  } finally {
    clearInterval(ticking);
    go.disabled = false;
    stop.disabled = true;
  }
}

function showAnswer(result, answer, text, took) {
  const header = name => answer.headers.get(name);
  const [outcome, attempts, retry] = [header('x-mcpo-outcome'), header('x-mcpo-attempts'), header('retry-after')];
  const facts = [
    outcome && ['Outcome', `${outcome}: ${OUTCOMES[outcome] ?? ''}`],
    attempts && ['Attempts', attempts],
    header('idempotent-replayed') && ['Replayed', 'the answer of an earlier call'],
    retry && ['Try again in', many(Number(retry), 'second')],
    header('x-request-id') && ['Request', header('x-request-id')],
  ].filter(Boolean);
  const shownText = pretty(text);
  const cut = shownText.length > SHOWN_LETTERS_MAX;
  const copy = h('button', { type: 'button', class: 'quiet', onclick: () => copied(text, copy, 'Copy') }, 'Copy');
  result.replaceChildren(
    h('p', { class: 'verdict-line', 'data-tone': answer.ok ? 'ok' : 'bad' }, h('b', {}, String(answer.status)), ` ${answer.ok ? 'answered' : sentence(refusedIn(text))} in ${took}`.replace('. in ', ', in ')),
    h('dl', {}, ...facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))),
    h('pre', { tabindex: '0', 'aria-label': 'Answer' }, cut ? shownText.slice(0, SHOWN_LETTERS_MAX) : shownText),
    h('div', { class: 'buttons' }, copy, cut ? h('span', { class: 'muted' }, `The first ${many(SHOWN_LETTERS_MAX, 'letter')} of ${many(shownText.length, 'letter')}`) : null));
}

function refusedIn(text) {
  try {
    const { detail } = JSON.parse(text);
    return detail?.code?.replaceAll('_', ' ') ?? (Array.isArray(detail) ? 'the arguments do not fit' : 'refused');
  } catch {
    return 'refused';
  }
}

/** Set out in lines, unless that would change what a number says. */
function pretty(text) {
  try {
    const value = JSON.parse(text);
    if (/\d{16,}/.test(text)) return text;
    return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  } catch {
    return text;
  }
}

function copyCurl(tool, form, button) {
  const body = form.read();
  if (body === null) return;
  const quoted = value => `'${value.replaceAll("'", "'\\''")}'`;
  copied(`curl -s ${quoted(new URL(tool.path, document.baseURI).href)} -H 'Content-Type: application/json' -d ${quoted(body)}`, button, 'Copy as curl');
}

async function copied(text, button, words) {
  try {
    await navigator.clipboard.writeText(text);
    put(button, 'Copied');
  } catch {
    put(button, 'Not allowed here');
  }
  setTimeout(() => put(button, words), 2000);
}
