// What speaks to the operator beside the page: short words that go away, a question before
// something is stopped, words for those who listen.

import { $, h, put } from './dashboard-base.js';

const TOASTS_MAX = 4;
const TOAST_MS = 7000;

/** Says what came of something. */
export function toast(words, tone = 'ok') {
  const close = h('button', { type: 'button', class: 'quiet', 'aria-label': 'Dismiss', onclick: () => one.remove() }, '×');
  const one = h('div', { class: 'toast', 'data-tone': tone }, h('span', {}, words), close);
  const all = $('toasts');
  all.append(one);
  while (all.children.length > TOASTS_MAX) all.firstChild.remove();
  // What went wrong stays until somebody has read it.
  if (tone === 'ok') setTimeout(() => one.remove(), TOAST_MS);
}

/** Asks before an act; the answer is whether to do it. Escape and Cancel are no. */
export function confirmed(title, words, yes) {
  const dialog = $('ask');
  put($('ask-title'), title);
  put($('ask-words'), words);
  put($('ask-yes'), yes);
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise(resolve => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

/** Tells those who listen to the page rather than look at it. */
export function say(words) {
  put($('said'), words);
}
