// The dashboard: follows the live stream and hands each part of the page what concerns it.

import { $, Refusal, ask, kept, mark, offer, put } from './dashboard-base.js';
import * as charts from './dashboard-charts.js';
import { say, toast } from './dashboard-dialogs.js';
import * as events from './dashboard-events.js';
import { Live } from './dashboard-live.js';
import * as overview from './dashboard-overview.js';
import * as problems from './dashboard-problems.js';
import * as servers from './dashboard-servers.js';
import * as tools from './dashboard-tools.js';
import { many, state } from './dashboard-words.js';

/** Entries of the journal that are read when the page opens. */
const ENTRIES_FIRST = 300;

let picture = null;
let phase = 'connecting';
let retryAt = 0;
let lostWhy = '';

// === What the stream tells ===

const live = new Live({
  begun(again) {
    if (again) {
      events.restarted('mcpo was started anew');
      say('mcpo was started anew.');
    }
    catchUp();
  },
  picture(next) {
    setPhase('live', {});
    if (!picture) problems.expect(next.servers);
    announce(picture, next);
    picture = next;
    showAll(next);
    document.body.dataset.drawn = '';
  },
  journal: entry => { events.add([entry]); charts.happened(entry); },
  lost: ({ entries }) => events.note(`${many(entries, 'entry', 'entries')} of the journal came too fast to be told here`),
  alerts: problems.showAlerts,
  phase: setPhase,
});

function showAll(next) {
  overview.show(next);
  servers.show(next);
  const names = next.servers.map(server => [server.name, server.name]);
  offer($('charts-server'), [['', 'All servers together'], ...names]);
  offer($('events-server'), [['', 'All servers'], ...names]);
  offer($('tools-server'), names.length > 0 ? names : [['', 'No server']]);
  const down = next.servers.filter(server => server.standing === 'down').length;
  count('servers', down > 0 ? `${down} down` : next.servers.length, down > 0 ? 'bad' : 'off');
  tools.show(next);
  charts.know(next.machine);
}

/** What the journal has from before; what comes meanwhile is told twice, and kept once. */
async function catchUp() {
  try {
    const { entries } = await ask(`admin/journal?limit=${ENTRIES_FIRST}`);
    events.add(entries);
  } catch { /* The stream says whether mcpo is there. */ }
  problems.changed();
  charts.refresh();
}

function count(of, number, tone) {
  put($(`count-${of}`), number === 0 ? '' : number);
  mark($(`count-${of}`), 'data-tone', tone);
}

/** Changes of standing, in words; and a new diagnosis. */
function announce(before, next) {
  if (!before) return;
  const was = new Map(before.servers.map(server => [server.name, server]));
  const changed = next.servers.filter(server => {
    const old = was.get(server.name);
    return !old || old.standing !== server.standing || old.state !== server.state || old.breaker !== server.breaker;
  });
  if (changed.length > 0 || before.servers.length !== next.servers.length) problems.changed();
  const said = changed.slice(0, 3).map(server => `${server.name}: ${state(server)[0]}`);
  if (before.status !== next.status) said.unshift(`mcpo is ${next.status}`);
  if (changed.length > 3) said.push(`and ${changed.length - 3} more servers changed`);
  if (said.length > 0) say(`${said.join('. ')}.`);
}

// === Where the connection is ===

function setPhase(next, { problem, retryAt: at }) {
  retryAt = at ?? 0;
  if (phase === next && next === 'live') return;
  const was = phase;
  // An attempt that is under way after a loss is still a loss.
  phase = next === 'connecting' && was === 'lost' ? 'lost' : next;
  document.body.dataset.phase = phase;
  const isGate = phase === 'sign-in' || phase === 'refused' || phase === 'off';
  const isOld = phase === 'lost' || phase === 'paused';
  $('main').hidden = isGate;
  $('gate').hidden = !isGate;
  $('lost').hidden = phase !== 'lost';
  servers.stale(isOld);
  for (const part of ['overview', 'issues', 'alerts']) mark($(part), 'data-stale', isOld || null);
  if (isGate) showGate(problem);
  if (isOld) overview.title(phase === 'lost' ? 'Lost' : 'Paused', 'off');
  if (phase === 'live' && was === 'lost') {
    say('Connected again.');
    problems.changed();
  }
  $('sign-out').hidden = isGate || kept.get('signed-in') === null;
  if (next === 'lost') lostWhy = problem?.message ?? '';
  showLink();
}

function showLink() {
  const words = { connecting: 'connecting', live: 'live', lost: 'lost', paused: 'paused', 'sign-in': 'signed out', refused: 'refused', off: 'off' };
  put($('link-words'), words[phase]);
  mark($('link'), 'data-link', phase);
  if (phase !== 'lost') return;
  const left = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  put($('lost-words'), `${lostWhy || 'Connection lost'}, trying again`);
  // Only that it is lost is read out, not each second of the wait.
  put($('lost-left'), left > 1 ? ` in ${left} s` : ' now');
  $('lost').title = 'What you see is how it was.';
}

function showGate(problem) {
  const signIn = phase === 'sign-in';
  $('gate-form').hidden = !signIn;
  $('gate-again').hidden = signIn;
  document.title = `${signIn ? 'Sign in' : 'No access'} – mcpo`;
  if (signIn) {
    put($('gate-title'), 'Sign in');
    put($('gate-words'), 'This mcpo asks for its API key: the one in --api-key or MCPO_API_KEY.');
    $('gate-key').focus();
  } else if (phase === 'off') {
    put($('gate-title'), 'Monitoring is off');
    put($('gate-words'), 'mcpo was started with MCPO_MONITOR_ENABLED=false, so there is nothing to show. Start it without that, and this page comes alive.');
  } else {
    put($('gate-title'), 'Not from here');
    put($('gate-words'), `${problem?.message ?? 'mcpo refuses'}. Without an API key only this machine may look: open the page under localhost, or set --api-key.`);
  }
}

// === Sign in and out ===

async function signIn(event) {
  event.preventDefault();
  const [key, button] = [$('gate-key'), $('gate-go')];
  put($('gate-error'), '');
  button.disabled = true;
  try {
    await ask('admin/login', { method: 'POST', body: { key: key.value } });
    key.value = '';
    kept.set('signed-in', 'yes');
    live.again();
  } catch (refused) {
    put($('gate-error'), wrongKey(refused));
    key.select();
    key.focus();
  } finally {
    button.disabled = false;
  }
}

function wrongKey(refused) {
  if (!(refused instanceof Refusal)) return 'It did not work.';
  if (refused.status === 429) return `Too many attempts. Try again in ${many(refused.retryAfter ?? 60, 'second')}.`;
  // The wrong key has no code; what else is refused says why.
  if ((refused.status === 401 || refused.status === 403) && refused.code === null) return 'That is not the key.';
  return `It did not work: ${refused.message}.`;
}

async function signOut() {
  try {
    await ask('admin/logout', { method: 'POST' });
    kept.set('signed-in', null);
    // Nothing of what was seen stays on the screen or in memory.
    location.reload();
  } catch (refused) {
    toast(`You are still signed in: ${refused.message}.`, 'bad');
  }
}

// === Theme ===

const THEMES = ['auto', 'light', 'dark'];

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? 'auto';
  put($('theme'), { auto: 'Theme: auto', light: 'Theme: light', dark: 'Theme: dark' }[theme]);
}

function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? 'auto') + 1) % THEMES.length];
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  kept.set('theme', theme === 'auto' ? null : theme);
  showTheme();
  charts.repaint();
}

// === Start ===

overview.init();
problems.init({ count, findServer: servers.find });
charts.init();
events.init();
tools.init();
servers.init({ openTools: tools.open, openCharts: charts.open });
$('gate-form').addEventListener('submit', signIn);
$('gate-again').addEventListener('click', () => live.now());
$('lost-now').addEventListener('click', () => live.now());
$('sign-out').addEventListener('click', signOut);
$('theme').addEventListener('click', nextTheme);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', charts.repaint);
addEventListener('online', () => live.now());
// Signed out in one tab is signed out in all.
addEventListener('storage', ({ key, newValue }) => { if (key === 'mcpo-signed-in' && newValue === null) location.reload(); });
setInterval(() => phase === 'lost' && showLink(), 500);
showTheme();
live.run();
