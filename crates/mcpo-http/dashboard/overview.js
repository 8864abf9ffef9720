// How all is: one word, one number, what pulls it down, and the figures of the last minute.

import { $, arrange, h, mark, put } from './dashboard-base.js';
import { bytes, length, many, rate, seconds, share, whole } from './dashboard-words.js';

const STATUS = {
  healthy: ['Healthy', 'ok'],
  degraded: ['Degraded', 'warn'],
  unhealthy: ['Unhealthy', 'bad'],
};
const PULLS_MAX = 6;
const ICON_COLOURS = { ok: '#1f9d63', warn: '#d98e04', bad: '#d6393f', off: '#6b7686' };

const FIGURES = [
  ['Calls a second', picture => [rate(picture.whole.calls_per_second), `${whole(picture.whole.total)} since the start`]],
  ['Errors', picture => [share(picture.whole.error_rate), picture.whole.shed > 0 ? `${whole(picture.whole.shed)} sent away` : 'of the last minute']],
  ['Half within', picture => [seconds(picture.whole.p50), 'p50']],
  ['99 of 100 within', picture => [seconds(picture.whole.p99), 'p99']],
  ['In flight', picture => [whole(picture.whole.in_flight), picture.whole.queued > 0 ? `${whole(picture.whole.queued)} wait for a place` : `of ${whole(picture.whole.max_concurrent)}`]],
  ['Memory', ({ process, machine }) => [bytes(process?.rss_bytes), machine ? `${share(machine.memory)} of the ${machine.is_container ? 'container' : 'machine'}` : 'mcpo itself']],
  ['Processor', ({ process, machine }) => [process ? share(process.cpu) : '–', machine ? `${share(machine.cpu)} of the ${machine.is_container ? 'container' : 'machine'}` : 'of one']],
  ['Up', picture => [length(picture.uptime), `version ${picture.version}`]],
];

let figures = [];
let shownTone = null;

/** Makes the tiles before there is anything to show in them, so that nothing moves later. */
export function init() {
  figures = FIGURES.map(([name, read]) => {
    const [value, note] = [h('dd', { class: 'value' }, '–'), h('dd', { class: 'note' }, '\u00a0')];
    $('figures').append(h('div', {}, h('dt', {}, name), value, note));
    return { value, note, read };
  });
}

export function show(picture) {
  const [word, tone] = STATUS[picture.status] ?? [String(picture.status), 'warn'];
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
  if (servers.length === 0) return 'No server is configured.';
  const named = of => {
    const names = servers.filter(server => server.standing === of).map(server => server.name);
    return names.length > 3 ? `${names.slice(0, 2).join(', ')} and ${names.length - 2} more` : names.join(', ');
  };
  const count = of => servers.filter(server => server.standing === of).length;
  const [down, degraded] = [count('down'), count('degraded')];
  if (down + degraded === 0) {
    return servers.length === 1 ? 'Its one server can be called.' : `All ${many(servers.length, 'server')} can be called.`;
  }
  const said = [];
  if (down > 0) said.push(`${down === servers.length ? `${down > 1 ? 'All' : 'Its one'}` : down} of ${many(servers.length, 'server')} cannot be called: ${named('down')}.`);
  if (degraded > 0) said.push(`${many(degraded, 'is', 'are')} degraded: ${named('degraded')}.`);
  return said.join(' ').replace(/^(All|Its one) of \d+ servers?/, (_, all) => (all === 'All' ? `All ${servers.length} servers` : 'Its one server')).replace('Its one server cannot', 'Its one server cannot');
}

const pulls = new Map();

function showPulls({ reasons }) {
  const shown = reasons.slice(0, PULLS_MAX);
  const rows = shown.map(reason => {
    const key = `${reason.part} ${reason.server ?? ''}`;
    let row = pulls.get(key);
    if (!row) {
      row = h('li', {}, h('span', { class: 'points' }), h('span', { class: 'why' }));
      pulls.set(key, row);
    }
    put(row.firstChild, `−${reason.points < 1 ? '1' : Math.round(reason.points)}`);
    put(row.lastChild, reason.server && !reason.why.includes(reason.server) ? `${reason.server}: ${reason.why}` : reason.why);
    return row;
  });
  if (reasons.length > PULLS_MAX) {
    const row = pulls.get('') ?? h('li', { class: 'muted' });
    pulls.set('', row);
    put(row, `and ${reasons.length - PULLS_MAX} more`);
    rows.push(row);
  }
  arrange($('pulls'), rows);
  $('pulls-none').hidden = reasons.length > 0;
  if (pulls.size > 500) pulls.clear();
}
