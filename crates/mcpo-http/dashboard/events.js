// What happens, as it happens: the newest first, what belongs together in one line.

import { $, arrange, h, mark, put, settled } from './dashboard-base.js';
import * as stories from './dashboard-story.js';
import { clock } from './dashboard-words.js';

const SHOWN_STEP = 50;
const STORIES_MAX = 1000;
/** Numbers of entries that are remembered, so that what comes twice is told once. */
const SEEN_MAX = 20_000;
const LEVELS = ['debug', 'info', 'warn', 'error'];

/** The oldest first. */
let told = [];
let seen = new Set();
let notes = 0;
let paused = false;
let waiting = 0;
let shownMax = SHOWN_STEP;

export function init() {
  const anew = () => { shownMax = SHOWN_STEP; render(); };
  $('events-server').addEventListener('change', anew);
  $('events-level').addEventListener('change', anew);
  $('events-search').addEventListener('input', settled(80, anew));
  $('events-more').addEventListener('click', () => { shownMax += SHOWN_STEP; render(); });
  $('events-pause').addEventListener('click', () => {
    paused = !paused;
    waiting = 0;
    mark($('events-pause'), 'aria-pressed', String(paused));
    showPause();
    if (!paused) render();
  });
}

/** mcpo counts its entries from 1 again. */
export function restarted(sentence) {
  seen = new Set();
  note(sentence);
}

/** Something that is no entry of the journal, but explains what is there. */
export function note(sentence) {
  notes += 1;
  tell({ seq: `note ${notes}`, ms: Date.now(), event: 'note', level: 'info', server: null, sentence, fields: {} });
  later();
}

/** Takes entries as the journal has them; those that are known are left out. */
export function add(entries) {
  for (const entry of entries) {
    if (seen.has(entry.seq)) continue;
    seen.add(entry.seq);
    tell({ ...entry, server: entry.server ?? null, ms: Date.parse(entry.at) || Date.now() });
    if (paused) waiting += 1;
  }
  // The oldest are the first; half of them go at once.
  if (seen.size > SEEN_MAX) seen = new Set([...seen].slice(-SEEN_MAX / 2));
  later();
}

function tell(entry) {
  // Where entries of several servers come mixed, each goes on with its own server's story.
  for (let at = told.length - 1; at >= Math.max(0, told.length - 40); at -= 1) {
    if (told[at].server !== entry.server) continue;
    if (stories.goesOn(told[at], entry)) {
      stories.goOn(told[at], entry);
      told[at].row = null;
      return;
    }
    break;
  }
  const story = stories.begin(entry);
  let at = told.length;
  while (at > 0 && told[at - 1].first > story.first) at -= 1;
  told.splice(at, 0, story);
  if (told.length > STORIES_MAX) told.shift();
}

let frame = 0;
function later() {
  if (paused) return showPause();
  if (!frame) frame = requestAnimationFrame(() => { frame = 0; render(); });
  // A tab in the background draws no frames.
  if (document.hidden) render();
}

function showPause() {
  put($('events-pause'), paused ? (waiting > 0 ? `Go on (${waiting} new)` : 'Go on') : 'Pause');
}

function render() {
  const server = $('events-server').value;
  const least = LEVELS.indexOf($('events-level').value);
  const words = $('events-search').value.trim().toLowerCase();
  const fits = story => (!server || story.server === server)
    && LEVELS.indexOf(stories.level(story)) >= least
    && (!words || `${story.server ?? ''} ${stories.line(story)} ${story.entries.map(stories.plain).join(' ')}`.toLowerCase().includes(words));
  const rows = [];
  let more = false;
  for (let at = told.length - 1; at >= 0 && !more; at -= 1) {
    if (!fits(told[at])) continue;
    if (rows.length < shownMax) rows.push(rowOf(told[at]));
    else more = true;
  }
  arrange($('events-list'), rows);
  $('events-none').hidden = rows.length > 0;
  put($('events-none'), told.length > 0 ? 'No event fits.' : 'Nothing has happened yet.');
  $('events-more').hidden = !more;
}

function rowOf(story) {
  if (story.row) return story.row;
  const details = h('details', { open: story.opened },
    h('summary', {},
      h('time', { datetime: new Date(story.first).toISOString() }, clock(story.first)),
      h('span', { class: 'dot', 'data-tone': stories.tone(story), 'aria-hidden': 'true' }),
      h('span', { class: 'line' }, story.server ? h('b', {}, `${story.server}: `) : null, stories.line(story))),
    h('ol', {}, ...story.entries.map(piece)));
  details.addEventListener('toggle', () => { story.opened = details.open; });
  story.row = h('li', {}, details);
  return story.row;
}

function piece(entry) {
  return h('li', {},
    h('time', {}, `${clock(entry.ms)}.${String(entry.ms % 1000).padStart(3, '0')}`),
    h('span', {}, stories.plain(entry), entry.fields?.detail ? h('code', {}, entry.fields.detail) : null));
}
