// A form for a tool's arguments, from its schema; and the JSON text that comes of it. Numbers stay
// the text that was typed, so that none loses a digit.

import { h, mark, put } from './dashboard-base.js';

const REFS_MAX = 20;
/** Texts that may be longer than this get room for it. */
const LINE_LETTERS_MAX = 120;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const INTEGER = /^-?(0|[1-9]\d*)$/;

/** Makes the fields; `read()` answers JSON text, or null where a field is wrong and says so. */
export function formOf(schema, document) {
  try {
    return fieldwise(schema, document);
  } catch {
    // A schema is the upstream's; of one that makes no sense there is nothing to ask but the whole.
    const { input, read: readValue } = KINDS.object({}, true);
    mark(input, 'aria-label', 'Arguments');
    const wrong = h('p', { class: 'wrong' });
    const readWhole = () => {
      const { json: typed, wrong: why } = readValue(true);
      put(wrong, why ?? '');
      return typed ?? null;
    };
    return { element: h('div', { class: 'fields' }, h('div', { class: 'argument' }, input, wrong)), read: readWhole };
  }
}

function fieldwise(schema, document) {
  const root = resolve(schema ?? {}, document);
  const required = new Set(root.required ?? []);
  const fields = Object.entries(root.properties ?? {}).map(([name, one]) => fieldOf(name, resolve(one, document), required.has(name)));
  const element = h('div', { class: 'fields' }, ...fields.map(field => field.element));
  if (fields.length === 0) element.append(h('p', { class: 'muted' }, 'It takes no arguments.'));
  return { element, read: () => read(fields) };
}

function read(fields) {
  const parts = [];
  let first = null;
  for (const field of fields) {
    const { json, wrong } = field.read();
    put(field.wrong, wrong ?? '');
    mark(field.input, 'aria-invalid', wrong ? 'true' : null);
    if (wrong) first ??= field.input;
    if (json !== undefined) parts.push(`${JSON.stringify(field.name)}: ${json}`);
  }
  first?.focus();
  return first ? null : `{${parts.join(', ')}}`;
}

/** Follows references within the document, and takes the one that is not null of a choice. */
function resolve(schema, document) {
  let one = schema;
  for (let turn = 0; turn < REFS_MAX; turn += 1) {
    if (typeof one !== 'object' || one === null) return {};
    if (typeof one.$ref === 'string' && one.$ref.startsWith('#/')) {
      const { $ref, ...beside } = one;
      const found = $ref.slice(2).split('/').reduce((at, key) => at?.[decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~')], document);
      one = { ...found, ...beside };
      continue;
    }
    const choices = (one.anyOf ?? one.oneOf)?.filter(choice => choice?.type !== 'null');
    if (choices?.length !== 1) return one;
    const { anyOf, oneOf, ...beside } = one;
    one = { ...choices[0], ...beside };
  }
  return {};
}

let fieldsMade = 0;

function fieldOf(name, schema, required) {
  fieldsMade += 1;
  const id = `argument-${fieldsMade}`;
  const kind = kindOf(schema);
  const { input, read: readValue } = KINDS[kind](schema, required);
  input.id = id;
  input.setAttribute('aria-describedby', `${id}-about ${id}-wrong`);
  if (required) input.setAttribute('aria-required', 'true');
  const wrong = h('p', { class: 'wrong', id: `${id}-wrong` });
  const about = [kindWords(kind, schema), schema.default !== undefined && `default ${JSON.stringify(schema.default)}`].filter(Boolean).join(', ');
  const element = h('div', { class: 'argument' },
    h('label', { for: id }, h('b', {}, name), required ? h('span', { class: 'required' }, ' required') : null),
    h('p', { class: 'about muted', id: `${id}-about` }, [about, schema.description ?? schema.title].filter(Boolean).join('. ')),
    input, wrong);
  return { name, element, input, wrong, read: () => readValue(required) };
}

function kindOf(schema) {
  if (Array.isArray(schema.enum) || 'const' in schema) return 'choice';
  const types = [schema.type].flat().filter(type => type && type !== 'null');
  if (types.length === 1 && Object.hasOwn(KINDS, types[0])) return types[0];
  return 'json';
}

function kindWords(kind, schema) {
  const bounds = [
    schema.minimum !== undefined && `from ${schema.minimum}`, schema.maximum !== undefined && `to ${schema.maximum}`,
    schema.minLength > 0 && `at least ${schema.minLength} letters`, schema.maxLength !== undefined && `at most ${schema.maxLength} letters`,
    schema.format, schema.pattern && `like ${schema.pattern}`,
  ].filter(Boolean).join(' ');
  const words = { choice: '', boolean: '', string: 'text', integer: 'whole number', number: 'number', array: 'list as JSON', object: 'object as JSON', json: 'any JSON' }[kind];
  return [words, bounds].filter(Boolean).join(', ');
}

const missing = required => (required ? { wrong: 'It is required.' } : {});

function text(pattern, wrong, mode) {
  return () => {
    const input = h('input', { type: 'text', inputmode: mode, autocomplete: 'off', spellcheck: 'false' });
    return {
      input,
      read: required => {
        const typed = input.value.trim();
        if (!typed) return missing(required);
        return pattern.test(typed) ? { json: typed } : { wrong };
      },
    };
  };
}

function json(least, hint) {
  return () => {
    const input = h('textarea', { rows: 3, autocomplete: 'off', spellcheck: 'false', placeholder: hint, class: 'code' });
    return {
      input,
      read: required => {
        const typed = input.value.trim();
        if (!typed) return missing(required);
        try {
          const value = JSON.parse(typed);
          return least(value) ? { json: typed } : { wrong: `It must look like ${hint}.` };
        } catch (error) {
          return { wrong: `It is no JSON: ${error.message}.` };
        }
      },
    };
  };
}

function choice(values) {
  const input = h('select', {}, h('option', { value: '' }, '–'), ...values.map((value, at) => h('option', { value: String(at) }, typeof value === 'string' ? value : JSON.stringify(value))));
  return { input, read: required => (input.value === '' ? missing(required) : { json: JSON.stringify(values[Number(input.value)]) }) };
}

const KINDS = {
  string: (schema, required) => {
    const long = schema.maxLength > LINE_LETTERS_MAX || /multi|text|markdown|code|content/i.test(schema.format ?? '');
    const input = long ? h('textarea', { rows: 4 }) : h('input', { type: 'text', autocomplete: 'off' });
    return { input, read: () => (input.value === '' ? missing(required) : { json: JSON.stringify(input.value) }) };
  },
  integer: text(INTEGER, 'It is no whole number.', 'numeric'),
  number: text(NUMBER, 'It is no number.', 'decimal'),
  boolean: () => choice([true, false]),
  choice: schema => choice(schema.enum ?? [schema.const]),
  array: json(Array.isArray, '[1, 2]'),
  object: json(value => typeof value === 'object' && value !== null && !Array.isArray(value), '{"key": "value"}'),
  json: json(() => true, 'any JSON'),
};
