// Figures and names as people say them.

const NONE = '–';
/** As mcpo itself foretells. */
const FORETOLD_SPANS_MAX = 4;
const figure = (value, digits) => value.toLocaleString('en', { maximumFractionDigits: digits });
/** One more digit where the number is small: 3.4, but 34. */
const short = value => figure(value, Math.abs(value) < 10 ? 1 : 0);

export function seconds(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  if (value <= 0) return '0\u00a0ms';
  if (value < 0.001) return `${figure(value * 1e6, 0)}\u00a0µs`;
  if (value < 1) return `${short(value * 1e3)}\u00a0ms`;
  if (value < 60) return `${short(value)}\u00a0s`;
  return length(value);
}

/** A long time in its two largest units. */
export function length(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const all = Math.max(0, Math.round(value));
  if (all < 60) return `${all}\u00a0s`;
  const [d, hours, m, s] = [Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60, all % 60];
  if (d > 0) return hours && d < 10 ? `${d}\u00a0d ${hours}\u00a0h` : `${d}\u00a0d`;
  if (hours > 0) return m ? `${hours}\u00a0h ${m}\u00a0min` : `${hours}\u00a0h`;
  return s && m < 10 ? `${m}\u00a0min ${s}\u00a0s` : `${m}\u00a0min`;
}

export const ago = value => (value < 5 ? 'just now' : `${length(value < 60 ? value : Math.floor(value / 60) * 60)} ago`);

export function rate(value) {
  if (value === null || value === undefined) return NONE;
  return value === 0 ? '0' : value < 0.1 ? '<\u00a00.1' : short(value);
}

export function share(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const percent = value * 100;
  if (percent > 0 && percent < 0.1) return '<\u00a00.1\u00a0%';
  if (percent > 99.9 && percent < 100) return '99.9\u00a0%';
  return `${figure(percent, percent < 10 || percent > 99 ? 1 : 0)}\u00a0%`;
}

export function bytes(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let at = 0;
  let left = value;
  while (left >= 1000 && at < units.length - 1) { left /= 1024; at += 1; }
  return `${short(left)}\u00a0${units[at]}`;
}

export const whole = value => (value === null || value === undefined ? NONE : figure(value, 0));
/** A count that may become long where there is little room: 99,999, but 100 k. */
export function counted(value) {
  if (value === null || value === undefined) return NONE;
  const [unit, size] = value < 1e5 ? ['', 1] : value < 1e6 ? ['k', 1e3] : value < 1e9 ? ['M', 1e6] : ['G', 1e9];
  return unit ? `${short(Math.floor(value / size * 10) / 10)}\u00a0${unit}` : whole(value);
}

export const many = (count, one, more = `${one}s`) => `${figure(count, 0)} ${count === 1 ? one : more}`;

/**
 * Where something goes, as mcpo found out: nothing, unless it surely goes somewhere, and by `least`
 * at least. `left` is how much there is room for.
 */
export function trend(found, { words, name = '', least, left = null, past = false }) {
  const up = found?.direction === 'rising';
  if (!up && found?.direction !== 'falling') return '';
  const hours = found.span_seconds / 3600;
  if (Math.abs(found.per_hour) * hours < least) return '';
  const [step, unit] = hours > 48 ? [found.per_hour * 24, 'a day'] : [found.per_hour, 'an hour'];
  const verb = up ? (past ? 'rose' : 'rising') : past ? 'fell' : 'falling';
  const reached = up && left !== null && !past ? left / found.per_hour : Infinity;
  // Nothing is foretold for much longer than was seen.
  const limit = reached <= FORETOLD_SPANS_MAX * hours ? `; reaches the limit in ${length(Math.max(reached * 3600, 60))}` : '';
  return `${name ? `${name} ` : ''}${verb} by ${words(Math.abs(step))} ${unit}${limit}`;
}

const two = value => String(value).padStart(2, '0');
/** A moment of today as 14:03:07, of another day with its date. */
export function clock(ms) {
  const date = new Date(ms);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

/** Why calls are turned away, in a few words. */
export const REASONS = {
  process_full: 'no room in mcpo',
  process_slow: 'short of processor time',
  server_full: 'too many wait',
  too_late: 'too late',
  identity_full: 'too many of one caller',
  rate_limited: 'too often',
};

/** How many calls were turned away in the last minute and why mostly, or how many since the start. */
export function turnedAway({ shed, turned_away: lately }) {
  const reasons = Object.entries(lately ?? {}).sort((a, b) => b[1] - a[1]);
  const sum = reasons.reduce((all, [, count]) => all + count, 0);
  if (sum > 0) return `${whole(sum)} turned away: ${REASONS[reasons[0][0]] ?? reasons[0][0]}`;
  return shed > 0 ? `${whole(shed)} turned away so far` : '';
}

/** What failed, in a few words that fit after the server's name. */
const FAULTS = {
  unreachable: 'it cannot be reached',
  not_startable: 'its command cannot be started',
  disconnected: 'it went away',
  timeout: 'it does not answer in time',
  server_error: 'it failed inside',
  session_lost: 'it forgot the session',
  throttled: 'it takes no more for now',
  unauthorized: 'it refuses the credentials',
  nonsense: 'it does not speak MCP as expected',
  overloaded: 'there is no room for more calls',
  stopping: 'it is being stopped',
  held: 'it is held',
  breaker_open: 'it failed too often and is given a rest',
};
export const fault = code => FAULTS[code] ?? (code ? String(code).replaceAll('_', ' ') : 'no reason is known');

/** How a server is, in one or two words, and in which tone: ok, busy, warn, bad, off. */
export function state(server) {
  switch (server.state) {
    case 'ready':
      if (server.standing === 'ok') return ['Ready', 'ok'];
      return server.breaker === 'open' ? ['Given a rest', 'warn'] : ['Degraded', 'warn'];
    case 'starting': return ['Starting', server.standing === 'down' ? 'bad' : 'busy'];
    case 'resting': return ['Waiting to retry', 'bad'];
    case 'held': return server.held_by === 'operator' ? ['Held', 'off'] : ['Needs you', 'bad'];
    case 'dormant': return ['Asleep', 'ok'];
    case 'stopped': return ['Stopped', 'off'];
    default: return [String(server.state), server.standing === 'ok' ? 'ok' : 'warn'];
  }
}

/** What holds for a server now, as one sentence without its name. */
export function standing(server, left) {
  const why = server.reason || (server.fault ? fault(server.fault) : '');
  const next = left === null ? '' : left <= 0.5 ? '; trying again now' : `; next try in ${length(left)}`;
  switch (server.state) {
    case 'held':
      if (server.held_by === 'operator') return 'Held by an operator: nothing is sent to it until it is released.';
      return sentence(`${why || 'only a person can mend it'}${left === null ? '' : `; looked at again in ${length(left)}`}`);
    case 'resting': return sentence(`${why || 'it failed'}${next}`);
    case 'starting': return sentence(why ? `${why}; connecting again` : 'connecting');
    case 'dormant': return 'Recovery is off: the next call connects it.';
    case 'stopped': return 'It was removed, or mcpo is stopping.';
    default: return ready(server, why);
  }
}

function ready(server, why) {
  if (server.breaker === 'open') return sentence(`${why || 'it failed too often'}; calls wait until it was given a rest`);
  if (server.breaker === 'half_open') return 'After a rest one call at a time is let through to see whether it is well.';
  const missing = server.missing_tools ?? [];
  if (missing.length > 0) return `${many(missing.length, 'tool is', 'tools are')} missing: ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', …' : ''}.`;
  if (server.sessions < server.pool_min) return `Only ${whole(server.sessions)} of ${whole(server.pool_min)} sessions.`;
  const away = Object.keys(server.turned_away ?? {}).length > 0 ? turnedAway(server) : '';
  const learnt = server.limit > 0 && server.limit < server.limit_max ? `takes ${whole(server.limit)} of ${whole(server.limit_max)} calls at once` : '';
  const load = [learnt, away, server.queued > 0 ? `${many(server.queued, 'call')} waiting` : ''].filter(Boolean);
  return sentence(why || (away || server.queued > 0 ? load.join('; ') : ''));
}

export function sentence(words) {
  const text = String(words).trim();
  return text ? text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? '' : '.') : '';
}
