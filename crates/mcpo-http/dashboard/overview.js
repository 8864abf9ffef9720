// How all is: one word, one number, what pulls it down, and the figures of the last minute.

import { $, arrange, h, mark, put } from './dashboard-base.js';
import { bytes, counted, length, rate, seconds, share, turnedAway, whole } from './dashboard-words.js';

const STATUS = {
  healthy: ['Healthy', 'ok'],
  degraded: ['Degraded', 'warn'],
  unhealthy: ['Unhealthy', 'bad'],
};
/** Below this score "Healthy" would mislead: all can be called, but much of what is called fails. More than busy processors cost. */
const STRAINED_BELOW = 75;
const STRAINED = ['Under strain', 'warn'];
/** As many as fit beside the verdict: the page below does not move when there are more. */
const PULLS_MAX = 4;
const ICON_COLOURS = { ok: '#1f9d63', warn: '#d98e04', bad: '#d6393f', off: '#6b7686' };

const FIGURES = [
  ['Calls a second', picture => [rate(picture.whole.calls_per_second), `${whole(picture.whole.total)} since the start`]],
  ['Errors', picture => [share(picture.whole.error_rate), turnedAway(picture.whole) || 'of the last minute']],
  ['Response p50', picture => [seconds(picture.whole.p50), 'half are faster']],
  ['Response p99', picture => [seconds(picture.whole.p99), '99 of 100 are faster']],
  ['In flight', picture => [whole(picture.whole.in_flight), picture.whole.queued > 0 ? `${whole(picture.whole.queued)} wait for a place` : `of ${whole(picture.whole.max_concurrent)}`]],
  ['Cache hits', ({ whole: { cache } }) => [share(cache.hit_rate ?? cache.hit_rate_hour), cache.enabled ? `${whole(cache.entries)} of ${whole(cache.entries_max)} kept` : 'nothing is kept']],
  ['Equal calls', ({ whole: { cache } }) => [counted(cache.coalesced), 'shared one answer']],
  ['Memory', ({ process, machine }) => [bytes(process?.rss_bytes), machine ? `${share(machine.memory)} of the ${machine.is_container ? 'container' : 'machine'}` : 'mcpo itself']],
  ['Processor', ({ process, machine }) => [process ? share(process.cpu) : '–', machine ? `${share(machine.cpu)} of the ${machine.is_container ? 'container' : 'machine'}` : 'of one']],
  ['Up', picture => [length(picture.uptime), `version ${picture.version}`]],
];

let figures = [];
let shownTone = null;

/** Makes the tiles before there is anything to show in them, so that nothing moves later. */
export function init() {
  figures = FIGURES.map(([name, read]) => {
    const [value, note] = [h('dd', { class: 'value' }, '–'), h('dd', { class: 'small' }, '\u00a0')];
    $('figures').append(h('div', {}, h('dt', {}, name), value, note));
    return { value, note, read };
  });
}

export function show(picture) {
  const strained = picture.status === 'healthy' && picture.score < STRAINED_BELOW;
  const [word, tone] = strained ? STRAINED : STATUS[picture.status] ?? [String(picture.status), 'warn'];
  put($('status'), word);
  mark($('overview'), 'data-tone', tone);
  put($('status-words'), inWords(picture.servers));
  put($('score-words'), `Score ${picture.score} of 100`);
  put($('ring-score'), picture.score);
  mark($('ring'), 'stroke-dasharray', `${picture.score} 100`);
  showPulls(picture);
  for (const { value, note, read } of figures) {
    const [main, small] = read(picture);
    put(value, main);
    put(note, small);
  }
  put($('version'), picture.version);
  title(word, tone);
}

/** The tab says it, too: its words and the colour of its icon. */
export function title(word, tone) {
  document.title = `${word} – mcpo`;
  if (tone === shownTone) return;
  shownTone = tone;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="14" fill="${ICON_COLOURS[tone]}"/></svg>`;
  $('icon').href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

function inWords(servers) {
  const of = standing => servers.filter(server => server.standing === standing).map(server => server.name);
  const [down, degraded] = [of('down'), of('degraded')];
  if (servers.length === 0) return 'No server is configured.';
  if (down.length + degraded.length === 0) return servers.length === 1 ? 'The server can be called.' : `All ${servers.length} servers can be called.`;
  const said = [];
  if (down.length === servers.length) said.push(servers.length === 1 ? 'The server cannot be called.' : `None of ${servers.length} servers can be called.`);
  else if (down.length > 0) said.push(`${down.length} of ${servers.length} servers cannot be called: ${few(down)}.`);
  if (degraded.length > 0) said.push(`${degraded.length === 1 ? 'One is' : `${degraded.length} are`} degraded: ${few(degraded)}.`);
  return said.join(' ');
}

const few = names => (names.length > 3 ? `${names.slice(0, 2).join(', ')} and ${names.length - 2} more` : names.join(', '));

const pulls = new Map();

function showPulls({ reasons }) {
  const shown = reasons.length > PULLS_MAX ? reasons.slice(0, PULLS_MAX - 1) : reasons;
  const rows = shown.map(reason => {
    const key = `${reason.part} ${reason.server ?? ''}`;
    let row = pulls.get(key);
    if (!row) {
      row = h('li', {}, h('span', { class: 'points' }), h('span', { class: 'why' }));
      pulls.set(key, row);
    }
    put(row.firstChild, `−${reason.points < 1 ? '1' : Math.round(reason.points)}`);
    const words = reason.server && !reason.why.includes(reason.server) ? `${reason.server}: ${reason.why}` : reason.why;
    put(row.lastChild, words);
    row.title = words;
    return row;
  });
  if (shown.length < reasons.length) {
    const row = pulls.get('') ?? h('li', { class: 'muted' });
    pulls.set('', row);
    put(row, `and ${reasons.length - shown.length} more`);
    rows.push(row);
  }
  arrange($('pulls'), rows);
  $('pulls-none').hidden = reasons.length > 0;
  if (pulls.size > 500) pulls.clear();
}
