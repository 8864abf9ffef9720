// What happened to one server in a row, as one line: "session lost -> new session in 12 ms, 3 calls
// sent again".

import { fault, length, many, REASONS, seconds } from './dashboard-words.js';

/** Entries of one server that follow one another this closely are one story. */
const APART_MS_MAX = 4000;
/** A story whose server is not back yet goes on longer: attempts have pauses between them. */
const AWAY_MS_MAX = 90_000;
/** A flood is told of every ten seconds; its story goes on where one of these is late or left out. */
const FLOOD_MS_MAX = 25_000;
const ENTRIES_MAX = 60;
const LEVELS = ['debug', 'info', 'warn', 'error'];

/** Whether an entry goes on with a story. */
export function goesOn(story, entry) {
  const floods = entry.event === FLOOD && isFlood(story);
  if (story.server !== entry.server || story.entries.length >= ENTRIES_MAX) return false;
  // What mcpo itself tells is apart from each other, but for a flood.
  if (story.server === null && !floods) return false;
  const apart = entry.ms - story.last;
  return apart <= (isAway(story) ? AWAY_MS_MAX : floods ? FLOOD_MS_MAX : APART_MS_MAX) && apart >= -APART_MS_MAX;
}

const FLOOD = 'calls_shed';

/** Whether calls being turned away is all that there is in a story. */
export const isFlood = ({ entries }) => entries.every(entry => entry.event === FLOOD);

const AWAY = new Set(['session_lost', 'upstream_failed', 'breaker_opened']);
const BACK = new Set(['recovered', 'upstream_ready', 'breaker_closed', 'released', 'held', 'upstream_stopped']);

function isAway({ entries }) {
  for (let at = entries.length - 1; at >= 0; at -= 1) {
    if (AWAY.has(entries[at].event)) return true;
    if (BACK.has(entries[at].event)) return false;
  }
  return false;
}

export function begin(entry) {
  return { server: entry.server, first: entry.ms, last: entry.ms, entries: [entry], row: null, opened: false };
}

export function goOn(story, entry) {
  story.entries.push(entry);
  story.last = Math.max(story.last, entry.ms);
}

/** The entry that says how it ended, so far. */
export const end = ({ entries }) => entries.findLast(entry => BACK.has(entry.event)) ?? entries[entries.length - 1];

/** The worst level of its entries. */
export function level(story) {
  return LEVELS[Math.max(...story.entries.map(entry => LEVELS.indexOf(entry.level)))] ?? 'info';
}

/** How it ended: ok where it healed itself or nothing was wrong. */
export function tone(story) {
  const names = new Set(story.entries.map(entry => entry.event));
  const worst = level(story);
  const failed = names.has('call_failed');
  if (isAway(story)) return 'bad';
  const held = story.entries.findLast(entry => entry.event === 'held' || entry.event === 'released');
  if (held?.event === 'held') return held.fields?.by === 'operator' ? 'off' : 'bad';
  if (names.has('recovered') || names.has('breaker_closed')) return failed ? 'warn' : 'ok';
  return { error: 'bad', warn: 'warn', info: 'off', debug: 'off' }[worst] ?? 'off';
}

/** The line. Entries of one kind are told once, with their number. */
export function line(story) {
  const groups = new Map();
  let wasAway = false;
  for (const entry of story.entries) {
    wasAway ||= AWAY.has(entry.event);
    const key = kindOf(entry, wasAway);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(entry);
  }
  // That it was ready again and that it recovered are one piece of news.
  if (groups.has('recovered')) groups.delete('upstream_ready');
  if (groups.has('call_recovered')) groups.delete('call_sent_again');
  const said = [];
  let joint = '';
  for (const [key, entries] of groups) {
    const kind = KINDS[key.split(' ')[0]];
    let words = kind ? kind(entries) : plain(entries[0]);
    // One reason is said once.
    if (said.some(piece => piece.includes(why(entries)))) words = words.replace(why(entries), '');
    const arrow = BACK.has(key) && said.length > 0 && wasAway;
    joint = said.length === 0 ? '' : arrow ? ' → ' : ', ';
    said.push(joint + words);
  }
  return said.join('') || plain(story.entries[0]);
}

/** What an entry is told as: a server that was not away is not back. */
function kindOf({ event, seq, fields }, wasAway) {
  if (event === 'upstream_ready' && !wasAway) return 'first_ready';
  if (event === 'pool_shrank') return 'pool_grew';
  if (event === FLOOD) return `${event} ${fields?.reason}`;
  return KINDS[event] ? event : `${event} ${seq}`;
}

/** One entry in its own words; those of mcpo, where it says some. */
export const plain = entry => entry.sentence || entry.event.replaceAll('_', ' ');

const last = entries => entries[entries.length - 1];
const why = entries => (last(entries).fields?.fault ? ` (${fault(last(entries).fields.fault)})` : '');
const sum = (entries, field) => entries.reduce((all, entry) => all + (entry.fields?.[field] ?? 0), 0);
const names = list => (list ?? []).slice(0, 3).join(', ') + ((list?.length ?? 0) > 3 ? ` and ${list.length - 3} more` : '');
const ms = value => seconds((value ?? 0) / 1000);
const times = (entries, once, often) => (entries.length === 1 ? once : often(entries.length));

const KINDS = {
  first_ready: all => `ready after ${ms(last(all).fields?.took_ms)}, ${many(last(all).fields?.tools ?? 0, 'tool')}`,
  upstream_ready: all => `new session in ${ms(last(all).fields?.took_ms)}`,
  upstream_failed: all => times(all, `connecting failed${why(all)}`, count => `connecting failed ${count} times${why(all)}`),
  session_lost: all => times(all, `session lost${why(all)}`, count => `${count} sessions lost${why(all)}`),
  session_replaced: all => times(all, `session replaced${why(all)}`, count => `${count} sessions replaced${why(all)}`),
  session_probed: all => (last(all).fields?.answered === false ? `no answer to a probe${why(all)}` : 'answered a probe'),
  recovered: all => (last(all).fields?.away_ms < 1000 ? `new session in ${ms(last(all).fields?.away_ms)}` : `back after ${length((last(all).fields?.away_ms ?? 0) / 1000)}`),
  call_sent_again: all => `${many(all.length, 'call')} sent again`,
  call_recovered: all => `${many(all.length, 'call')} sent again and answered`,
  call_failed: all => `${many(all.length, 'call')} failed${why(all)}`,
  calls_shed: all => (all.length === 1 ? plain(all[0])
    : `${many(sum(all, 'count'), 'call')} turned away within ${length(sum(all, 'over_ms') / 1000)} (${REASONS[last(all).fields?.reason] ?? last(all).fields?.reason})`),
  breaker_opened: all => `given a rest${why(all)}`,
  breaker_closed: all => `well again after ${ms(last(all).fields?.after_ms)}`,
  budget_spent: () => 'too many calls were sent again of late',
  held: all => (last(all).fields?.by === 'operator' ? 'held by an operator' : `held until somebody mends it${why(all)}`),
  released: () => 'released',
  pool_grew: all => `now ${many(last(all).fields?.sessions ?? 0, 'session')}`,
  tools_changed: all => {
    const { added, removed } = last(all).fields ?? {};
    return ['tools changed', added?.length > 0 && `new: ${names(added)}`, removed?.length > 0 && `gone: ${names(removed)}`].filter(Boolean).join('; ');
  },
  tools_vanished: all => `${many(last(all).fields?.tools?.length ?? 0, 'tool is', 'tools are')} gone: ${names(last(all).fields?.tools)}`,
  order_given: all => `an operator ordered: ${all.map(entry => entry.fields?.order).join(', ')}`,
  upstream_stopped: () => 'stopped',
};
