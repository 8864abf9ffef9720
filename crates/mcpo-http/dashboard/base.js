// What every part of the page stands on: elements, requests, and what is kept in the browser.
// Text of others goes into the page as text only: there is no innerHTML anywhere.

export const $ = id => document.getElementById(id);

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'path', 'rect', 'circle', 'line']);

/** Makes an element: `h('button', { class: 'x', onclick: act, 'aria-label': 'y' }, 'text', child)`. */
export function h(tag, attributes = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

/** Text in which `names` stand in backticks, as mcpo writes them for people. */
export function rich(text) {
  return String(text).split(/`([^`]+)`/).map((piece, at) => (at % 2 === 1 ? h('code', {}, piece) : piece));
}

/** Sets text only where it differs: what stays is neither laid out nor read out again. */
export function put(element, text) {
  const words = text === null || text === undefined ? '' : String(text);
  if (element.textContent !== words) element.textContent = words;
}

/** Sets an attribute only where it differs; `null` takes it away. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, String(value));
  }
}

/** Makes `parent` hold exactly these elements in this order, moving only those that must. */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

/** Makes a select offer these `[value, words]`, and keeps what was chosen if it is still there. */
export function offer(select, options) {
  const same = select.options.length === options.length
    && options.every(([value, words], at) => select.options[at].value === value && select.options[at].text === words);
  if (same) return;
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, words]) => h('option', { value }, words)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

/** What went wrong with a request, in words for people. `status` is 0 where nobody answered. */
export class Refusal extends Error {
  constructor(status, code, message, retryAfter) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }
}

/** Asks for JSON. Addresses are relative, so that the page works behind any path. */
export async function ask(path, { method = 'GET', body, signal, headers = {} } = {}) {
  const all = { accept: 'application/json', 'x-mcpo-dashboard': '1', ...headers };
  if (body !== undefined) all['content-type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(path, {
      method, signal, headers: all, cache: 'no-store', credentials: 'same-origin',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal(0, 'unreachable', 'mcpo does not answer');
  }
  if (!answer.ok) throw await refusal(answer);
  const text = await answer.text();
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    throw new Refusal(answer.status, 'nonsense', 'mcpo answered with something that is not JSON');
  }
}

/** Reads an error's body, in whichever of its shapes. */
export async function refusal(answer) {
  let detail;
  try {
    ({ detail } = JSON.parse(await answer.text()));
  } catch { /* No JSON, so no words but the status. */ }
  const words = typeof detail === 'string' ? detail : detail?.message ?? `it answered ${answer.status}`;
  return new Refusal(answer.status, detail?.code ?? null, words, Number(answer.headers.get('retry-after')) || null);
}

/** A small text that outlives the page. Where storage is forbidden, nothing does. */
export const kept = {
  get(name) {
    try { return localStorage.getItem(`mcpo-${name}`); } catch { return null; }
  },
  set(name, value) {
    try {
      if (value === null) localStorage.removeItem(`mcpo-${name}`);
      else localStorage.setItem(`mcpo-${name}`, value);
    } catch { /* It is a convenience only. */ }
  },
};

/** Calls `act` once things have been quiet for `ms`. */
export function settled(ms, act) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(act, ms, ...values);
  };
}
