// What is wrong, why, and what to do; and the alerts.

import { $, ask, h, put, rich } from './dashboard-base.js';
import { ago, clock, length, many, sentence } from './dashboard-words.js';

/** A diagnosis may start commands to see why they fail: it is not asked for more often by itself. */
const CHECK_MS_MIN = 10_000;
const AGAIN_MS = 5000;
const ISSUES_MAX = 50;
const RESOLVED_MAX = 10;

let checkedAt = 0;
let checking = false;
let again = null;
let shown = '';
let counted = () => {};
let toServer = () => {};

export function init({ count, findServer }) {
  counted = count;
  toServer = findServer;
  $('issues-check').addEventListener('click', () => check());
  setInterval(() => { if (checkedAt && !checking) put($('issues-at'), `Checked ${ago((Date.now() - checkedAt) / 1000)}`); }, 5000);
}

/** Keeps room for the first diagnosis where there will be something in it. */
export function expect(servers) {
  if (checkedAt || !servers.some(server => server.standing !== 'ok')) return;
  $('issues-list').dataset.expecting = '';
  $('issues-list').replaceChildren(h('p', { class: 'fine' }, 'Looking at what is wrong …'));
}

/** Asks for a diagnosis soon, since something changed. */
export function changed() {
  clearTimeout(again);
  again = setTimeout(() => check(), Math.max(300, checkedAt + CHECK_MS_MIN - Date.now()));
}

async function check() {
  if (checking) return;
  clearTimeout(again);
  checking = true;
  $('issues-check').disabled = true;
  put($('issues-at'), 'Checking …');
  try {
    const diagnosis = await ask('diagnostics');
    checkedAt = Date.now();
    put($('issues-at'), `Checked ${ago(0)}`);
    showIssues(diagnosis);
  } catch (refused) {
    put($('issues-at'), `Not checked: ${refused.message}`);
    // Somebody else has it made just now, or mcpo is away.
    if (refused.status === 503 || refused.status === 0) again = setTimeout(() => check(), AGAIN_MS);
  } finally {
    checking = false;
    $('issues-check').disabled = false;
  }
}

function showIssues({ issues, recommendations }) {
  counted('issues', issues.length, issues.some(issue => issue.severity === 'critical') ? 'bad' : 'warn');
  const said = JSON.stringify([issues, recommendations]);
  if (said === shown) return;
  shown = said;
  const open = new Set([...document.querySelectorAll('#issues-list details[open]')].map(one => one.dataset.key));
  const rows = issues.slice(0, ISSUES_MAX).map(issue => issueRow(issue, open));
  if (issues.length > ISSUES_MAX) rows.push(h('p', { class: 'muted' }, `and ${issues.length - ISSUES_MAX} more`));
  if (issues.length === 0) rows.push(h('p', { class: 'fine' }, 'Nothing is wrong.'));
  if (recommendations?.length > 0) {
    rows.push(h('div', { class: 'advice' }, h('h3', {}, 'Could be better'), h('ul', {}, ...recommendations.map(one => h('li', {}, ...rich(one))))));
  }
  delete $('issues-list').dataset.expecting;
  $('issues-list').replaceChildren(...rows);
}

function issueRow(issue, open) {
  const key = `${issue.id} ${issue.server ?? ''}`;
  const list = (tag, words, items) => (items?.length > 0 ? [h('h4', {}, words), h(tag, {}, ...items.map(item => h('li', {}, ...rich(item))))] : []);
  const [first, ...more] = issue.fix ?? [];
  return h('article', { class: 'issue', 'data-tone': issue.severity === 'critical' ? 'bad' : 'warn' },
    h('header', {},
      h('span', { class: 'pill' }, issue.severity === 'critical' ? 'Critical' : 'Warning'),
      issue.since ? h('span', { class: 'muted since' }, `since ${clock(issue.since * 1000)}`) : null),
    h('h3', {}, ...rich(sentence(issue.server && !issue.what.includes(issue.server) ? `\`${issue.server}\`: ${issue.what}` : issue.what))),
    first ? h('p', { class: 'fix' }, h('b', {}, 'What to do '), ...rich(sentence(first))) : null,
    h('details', { class: 'fold', 'data-key': key, open: open.has(key) },
      h('summary', {}, 'Why, and what was seen'),
      ...list('ol', 'What led to it', issue.cause),
      ...list('ul', 'What was seen', issue.evidence),
      ...list('ul', 'What else may help', more)),
    issue.server ? h('button', { type: 'button', class: 'link-like', onclick: () => toServer(issue.server) }, `Show ${issue.server}`) : null);
}

// === Alerts ===

export function showAlerts({ active, resolved }) {
  const firing = active.filter(alert => alert.phase === 'firing');
  const pending = active.filter(alert => alert.phase !== 'firing');
  counted('alerts', firing.length, firing.some(alert => alert.severity === 'critical') ? 'bad' : 'warn');
  const rows = firing.map(alertRow);
  if (firing.length === 0) rows.push(h('p', { class: 'fine' }, 'No alert is firing.'));
  // Most of these never fire: nobody has to do anything yet.
  if (pending.length > 0) {
    rows.push(folded('pending', `${many(pending.length, 'alert')} pending`, pending.map(alert => h('li', {},
      h('span', { class: 'muted' }, `${clock(alert.since * 1000)} `), ...rich(sentence(named(alert)))))));
  }
  if (resolved.length > 0) {
    rows.push(folded('resolved', `${many(resolved.length, 'alert')} resolved of late`, resolved.slice(0, RESOLVED_MAX).map(alert => h('li', {},
      h('span', { class: 'muted' }, `${clock(alert.resolved_at * 1000)} `), ...rich(named(alert)),
      h('span', { class: 'muted' }, ` (${length(alert.resolved_at - alert.since)})`)))));
  }
  $('alerts-list').replaceChildren(...rows);
}

/** What is not the matter now; it stays open where somebody has opened it. */
function folded(name, words, items) {
  const was = document.querySelector(`#alerts-list details[data-key="${name}"]`)?.open;
  return h('details', { class: 'fold', 'data-key': name, open: was }, h('summary', {}, words), h('ul', { class: 'resolved' }, ...items));
}

/** Its words; the name of a server, which comes first in them, as it is written. */
function named({ server, summary }) {
  return server && summary.startsWith(`${server}: `) ? `\`${server}\`${summary.slice(server.length)}` : summary;
}

function alertRow(alert) {
  const critical = alert.severity === 'critical';
  return h('article', { class: 'alert', 'data-tone': critical ? 'bad' : 'warn' },
    h('header', {}, h('span', { class: 'pill' }, critical ? 'Critical' : 'Warning'), h('span', { class: 'muted since' }, `since ${clock(alert.since * 1000)}`)),
    h('h3', {}, ...rich(sentence(named(alert)))),
    h('p', { class: 'fix' }, h('b', {}, 'What to do '), ...rich(sentence(alert.fix))),
    alert.inhibited_by ? h('p', { class: 'muted' }, `Nobody is told: ${alert.inhibited_by.replaceAll('_', ' ')} says why.`) : null);
}
