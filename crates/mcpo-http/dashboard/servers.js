// The servers as cards: how each is, why, and what can be done to it.

import { $, arrange, ask, h, mark, put, settled } from './dashboard-base.js';
import { confirmed, toast } from './dashboard-dialogs.js';
import { ago, bytes, counted, fault, many, rate, seconds, share, standing, state, whole } from './dashboard-words.js';

/** So many cards stand there until more are asked for. */
const SHOWN_STEP = 24;
/** One small bar for each second. */
const PULSE_SECONDS = 60;
/** Pictures that follow one another faster, as they do when something happens, share a bar. */
const BAR_SECONDS_MIN = 0.7;
/** A share of failures in the last minute that is no accident. */
const FAILING_ABOVE = 0.1;
/** Who moved or typed this lately is about to press something. */
const TOUCHED_MS = 3000;

const cards = new Map();
const pulses = new Map();
let latest = null;
let heardAt = 0;
let shownMax = SHOWN_STEP;
let touchedAt = 0;
let toTools = () => {};
let toCharts = () => {};

export function init({ openTools, openCharts }) {
  toTools = openTools;
  toCharts = openCharts;
  $('servers-search').addEventListener('input', settled(80, () => { shownMax = SHOWN_STEP; layOut(true); }));
  $('servers-sort').addEventListener('change', () => layOut(true));
  $('servers-more').addEventListener('click', () => { shownMax += SHOWN_STEP * 2; layOut(true); });
  for (const touch of ['pointermove', 'pointerdown', 'keydown', 'focusin']) $('servers-grid').addEventListener(touch, () => { touchedAt = Date.now(); }, { passive: true });
  // The countdowns go on between two pictures.
  setInterval(() => latest && cards.forEach(card => card.element.isConnected && countDown(card)), 500);
}

export function show(picture) {
  latest = picture;
  heardAt = Date.now();
  for (const server of picture.servers) beat(server, picture.at);
  const names = new Set(picture.servers.map(server => server.name));
  for (const name of cards.keys()) if (!names.has(name)) { cards.delete(name); pulses.delete(name); }
  layOut(false);
}

/** Brings one server's card into sight. */
export function find(name) {
  $('servers-search').value = name;
  layOut(true);
  $('servers').scrollIntoView();
  $('servers-search').focus({ preventScroll: true });
}

/** What is lost is not shown as if it were so. */
export function stale(is) {
  mark($('servers-grid'), 'data-stale', is || null);
}

// === Which, and in what order ===

const RANK = { bad: 0, warn: 1, busy: 2, off: 3, ok: 4 };
/** Scores change all the time; cards change places where it matters. */
const SCORE_STEP = 5;
const scored = server => Math.ceil((server.score ?? 100) / SCORE_STEP);
const by = read => (a, b) => read(b) - read(a);
const ORDERS = {
  worst: (a, b) => RANK[state(a)[1]] - RANK[state(b)[1]] || scored(a) - scored(b),
  configured: () => 0,
  name: (a, b) => a.name.localeCompare(b.name),
  busy: by(server => server.calls_per_second ?? 0),
  slow: by(server => server.p99 ?? -1),
  memory: by(server => server.processes?.rss_bytes ?? -1),
};

function layOut(asked) {
  if (!latest) return;
  const words = $('servers-search').value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const fits = server => {
    const text = `${server.name} ${state(server)[0]} ${server.state} ${server.fault ?? ''} ${server.reason ?? ''}`.toLowerCase();
    return words.every(word => text.includes(word));
  };
  const wanted = latest.servers.filter(fits).sort(ORDERS[$('servers-sort').value]);
  const grid = $('servers-grid');
  // Cards do not change places under somebody's finger.
  if (asked || Date.now() - touchedAt > TOUCHED_MS) {
    const focused = grid.contains(document.activeElement) ? document.activeElement : null;
    arrange(grid, wanted.slice(0, shownMax).map(server => cardOf(server.name).element));
    if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }
  for (const server of latest.servers) {
    const card = cards.get(server.name);
    if (card?.element.isConnected) fill(card, server);
  }
  for (const child of grid.children) child.toggleAttribute('data-gone', !latest.servers.some(server => cards.get(server.name)?.element === child));
  const hidden = wanted.length - shownMax;
  $('servers-more').hidden = hidden <= 0;
  put($('servers-more'), `Show more (${whole(hidden)} are not shown)`);
  const none = latest.servers.length === 0 ? 'No server is configured. Add one to the configuration; it appears here at once.'
    : wanted.length === 0 ? 'No server fits the search.' : '';
  put($('servers-none'), none);
  $('servers-none').hidden = none === '';
}

// === One card ===

const FACTS = [
  ['Calls/s', server => rate(server.calls_per_second)],
  ['Errors', server => share(server.total > 0 || server.calls_per_second > 0 ? server.error_rate : null)],
  ['p50', server => seconds(server.p50)],
  ['p99', server => seconds(server.p99)],
  ['Sessions', server => `${whole(server.sessions)} of ${whole(server.pool_max)}`],
  ['Healed', server => (server.recoveries?.tried > 0 ? share(server.recoveries.rate) : '–')],
  ['Limit', server => (server.limit > 0 ? whole(server.limit) : '–')],
  ['Waiting', server => whole(server.queued)],
  ['Shed', server => counted(server.shed)],
  ['Cached', server => share(server.cache?.hit_rate ?? server.cache?.hit_rate_hour)],
  ['Memory', server => bytes(server.processes?.rss_bytes)],
  ['Processor', server => (server.processes ? share(server.processes.cpu) : '–')],
];

function cardOf(name) {
  const known = cards.get(name);
  if (known) return known;
  const facts = FACTS.map(([words]) => h('dd', { 'data-of': words }));
  const parts = {
    state: h('span', { class: 'pill' }),
    why: h('p', { class: 'why' }),
    last: h('p', { class: 'last muted' }),
    pulse: h('svg', { class: 'pulse', viewBox: `0 0 ${PULSE_SECONDS * 4} 28`, preserveAspectRatio: 'none', role: 'img' }),
    result: h('span', { class: 'result' }),
    tools: h('button', { type: 'button', class: 'link-like', onclick: () => toTools(name) }),
  };
  const button = (words, order, hint) => {
    const element = h('button', { type: 'button', 'data-order': order, title: hint, onclick: () => give(name, order) }, words);
    element.setAttribute('aria-label', `${words} ${name}`);
    return element;
  };
  const buttons = {
    reset: button('Try now', 'reset', 'Forget its failures and try it at once'),
    reconnect: button('Reconnect', 'reconnect', 'Replace every session'),
    hold: button('Hold', 'hold', 'Send it nothing new'),
    release: button('Release', 'release', 'Send it calls again'),
    drain: button('Drain', 'drain', 'Send it nothing new, and close each session when its calls have ended'),
  };
  const element = h('li', { class: 'card', 'data-server': name },
    h('header', {}, h('h3', {}, name), parts.state),
    parts.why, parts.last, parts.pulse,
    h('dl', {}, ...facts.map((dd, at) => h('div', {}, h('dt', {}, FACTS[at][0]), dd))),
    h('div', { class: 'ways' }, parts.tools,
      h('button', { type: 'button', class: 'link-like', onclick: () => toCharts(name), 'aria-label': `Charts of ${name}` }, 'Charts'), parts.result),
    h('div', { class: 'orders' }, ...Object.values(buttons)));
  element.querySelector('h3').title = name;
  const card = { name, element, facts, parts, buttons, server: null };
  cards.set(name, card);
  return card;
}

function fill(card, server) {
  card.server = server;
  const [words, tone] = state(server);
  put(card.parts.state, words);
  mark(card.element, 'data-tone', tone);
  countDown(card);
  card.parts.why.title = server.detail ?? '';
  const last = server.last_error;
  put(card.parts.last, last ? `Last failure ${ago(latest.at - last.at)}: ${last.reason || fault(last.code)}` : server.shed > 0 ? 'No other failure since the start' : 'No failure since the start');
  FACTS.forEach(([, read], at) => put(card.facts[at], read(server)));
  const tools = server.tools === null || server.tools === undefined ? 'Tools not known yet' : many(server.tools, 'tool');
  put(card.parts.tools, tools);
  mark(card.parts.tools, 'aria-label', `${tools} of ${server.name}`);
  card.parts.tools.disabled = !server.tools;
  const resting = server.state === 'resting' || (server.state === 'held' && server.held_by !== 'operator');
  const held = server.state === 'held';
  card.buttons.reset.hidden = !resting;
  card.buttons.reconnect.hidden = resting || held;
  card.buttons.hold.hidden = held;
  card.buttons.release.hidden = !held || server.held_by !== 'operator';
  card.buttons.drain.hidden = held && server.held_by !== 'operator' && server.sessions === 0;
  drawPulse(card, server.name);
}

function countDown({ parts, server }) {
  if (!server) return;
  const left = server.retry_in === null || server.retry_in === undefined ? null : Math.max(0, server.retry_in - (Date.now() - heardAt) / 1000);
  const why = standing(server, left);
  put(parts.why, why || (server.in_flight > 0 ? `${many(server.in_flight, 'call')} in flight.` : 'All is well.'));
  mark(parts.why, 'data-well', why === '' || null);
}

// === The last minute of each, second by second ===

function beat(server, at) {
  const pulse = pulses.get(server.name) ?? [];
  const stands = state(server)[1];
  const tone = stands === 'ok' && server.error_rate > FAILING_ABOVE ? 'warn' : stands;
  const rate = server.calls_per_second ?? 0;
  const last = pulse.at(-1);
  const since = last ? at - last.at : 1;
  if (since >= 0 && since < BAR_SECONDS_MIN) {
    // What was wrong for a moment only is seen, too.
    Object.assign(last, { rate, tone: RANK[tone] < RANK[last.tone] ? tone : last.tone });
    return;
  }
  // While nobody looked, nothing is known.
  for (let away = Math.min(Math.round(since), PULSE_SECONDS); away > 2; away -= 1) pulse.push({ at, tone: 'none', rate: 0 });
  pulse.push({ at, tone, rate });
  pulses.set(server.name, pulse.slice(-PULSE_SECONDS));
}

function drawPulse({ parts }, name) {
  const pulse = pulses.get(name) ?? [];
  const svg = parts.pulse;
  const most = Math.max(1, ...pulse.map(({ rate: value }) => value));
  while (svg.children.length < PULSE_SECONDS) svg.append(h('rect', { width: 3, x: svg.children.length * 4, y: 25, height: 3 }));
  const first = PULSE_SECONDS - pulse.length;
  for (let at = 0; at < PULSE_SECONDS; at += 1) {
    const one = pulse[at - first];
    const high = one ? 3 + Math.round(25 * Math.sqrt(one.rate / most) * (one.rate > 0)) : 3;
    mark(svg.children[at], 'height', high);
    mark(svg.children[at], 'y', 28 - high);
    mark(svg.children[at], 'class', one ? one.tone : 'none');
  }
  const trouble = pulse.filter(({ tone }) => tone === 'bad' || tone === 'warn').length;
  mark(svg, 'aria-label', trouble ? `In trouble for ${trouble} of the last ${pulse.length} seconds` : `No trouble in the last ${pulse.length} seconds`);
}

// === Orders ===

const DONE = {
  reset: 'its failures are forgotten, and it is tried now',
  reconnect: 'every session is being replaced',
  hold: 'held; nothing new is sent to it',
  release: 'released; it is sent calls again',
  drain: 'draining; its sessions end with their calls',
};

function question(order, name, server) {
  const calls = server?.in_flight > 0 ? `${many(server.in_flight, 'call')} in flight may still end. ` : '';
  if (order === 'hold') return [`Hold ${name}?`, `New calls are answered 503 until you release it. Its sessions stay. ${calls}`, 'Hold'];
  return [`Drain ${name}?`, `New calls are answered 503 until you release it, and each session is closed when its calls have ended. ${calls}`, 'Drain'];
}

async function give(name, order) {
  const card = cards.get(name);
  const asks = order === 'hold' || order === 'drain';
  if (asks && !await confirmed(...question(order, name, card.server))) return;
  const button = card.buttons[order];
  button.disabled = true;
  mark(card.parts.result, 'data-tone', null);
  put(card.parts.result, '…');
  try {
    await ask(`admin/servers/${encodeURIComponent(name)}/${order}`, { method: 'POST' });
    put(card.parts.result, 'Done');
    mark(card.parts.result, 'data-tone', 'ok');
    toast(`${name}: ${DONE[order]}.`);
  } catch (refused) {
    put(card.parts.result, 'Not done');
    mark(card.parts.result, 'data-tone', 'bad');
    toast(`${name}: ${order} was not done: ${refused.message}.`, 'bad');
  } finally {
    button.disabled = false;
    // A button that is hidden by its own success leaves the focus with its neighbour.
    setTimeout(() => {
      if (document.activeElement === document.body) [...card.element.querySelectorAll('.orders button')].find(one => !one.hidden)?.focus();
      put(card.parts.result, '');
    }, 4000);
  }
}
