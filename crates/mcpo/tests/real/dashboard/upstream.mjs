// An MCP server as the tests of the dashboard need it: over HTTP inside of the test, so that it can
// go away and come again at will, or over stdio as a process of its own (`node upstream.mjs`).
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const HOSTILE = '<img src=x onerror="globalThis.hostile=1">';

export const TOOLS = [
  {
    name: 'echo', description: 'Says what it is told.',
    annotations: { readOnlyHint: true, idempotentHint: true },
    inputSchema: {
      type: 'object', required: ['text'],
      properties: {
        text: { type: 'string', description: 'What to say.' },
        count: { type: 'integer', minimum: 1 },
        loud: { type: 'boolean' },
        mood: { enum: ['calm', 'cheerful'] },
        tags: { type: 'array', items: { type: 'string' } },
      },
    },
  },
  { name: 'wait', description: 'Answers only when it is told to stop.', inputSchema: { type: 'object', properties: {} } },
  { name: 'fail', description: 'Fails.', inputSchema: { type: 'object', properties: {} } },
  { name: HOSTILE, description: `<script>globalThis.hostile=2</script>${HOSTILE}`, inputSchema: { type: 'object', properties: { [HOSTILE]: { type: 'string', description: HOSTILE } } } },
];

const VERSION = '2025-06-18';

/** Answers one message; `undefined` for what has no answer. */
function answered({ id, method, params }) {
  if (id === undefined) return undefined;
  const result = value => ({ jsonrpc: '2.0', id, result: value });
  switch (method) {
    case 'initialize':
      return result({ protocolVersion: VERSION, capabilities: { tools: {} }, serverInfo: { name: 'upstream', version: '1' } });
    case 'ping': return result({});
    case 'tools/list': return result({ tools: TOOLS });
    case 'tools/call': return called(params, result);
    default: return { jsonrpc: '2.0', id, error: { code: -32601, message: 'no such method' } };
  }
}

function called({ name, arguments: given }, result) {
  const text = (words, isError = false) => result({ content: [{ type: 'text', text: words }], isError });
  if (name === 'wait') return undefined;
  if (name === 'fail') return text('it went wrong', true);
  return text(JSON.stringify({ said: given?.text ?? '', given }));
}

/** One that listens on a port. */
export class Upstream {
  /** How often a session was begun, the raw text of the last call, and how many calls were left. */
  sessions = 0;
  lastCall = '';
  left = 0;
  /** How long a call takes. */
  pauseMs = () => 0;
  #server = null;
  port = 0;

  async listen(port = this.port) {
    this.#server = createServer((request, response) => this.#serve(request, response));
    await new Promise((resolve, reject) => this.#server.once('error', reject).listen(port, '127.0.0.1', resolve));
    this.port = this.#server.address().port;
    return this;
  }

  /** Goes away without a word. */
  async vanish() {
    const gone = new Promise(resolve => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await gone;
  }

  url(path = '/mcp') {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  async #serve(request, response) {
    if (request.method !== 'POST') return response.writeHead(405).end();
    let body = '';
    for await (const piece of request) body += piece;
    const message = JSON.parse(body);
    if (message.method === 'initialize') this.sessions += 1;
    if (message.method === 'tools/call') {
      this.lastCall = body;
      response.once('close', () => { if (!response.writableEnded) this.left += 1; });
    }
    const answer = answered(message);
    if (message.method === 'tools/call') await new Promise(resolve => setTimeout(resolve, this.pauseMs()));
    if (answer) return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    if (message.id === undefined) response.writeHead(202).end();
  }
}

if (process.argv[1] === import.meta.filename) {
  for await (const line of createInterface({ input: process.stdin })) {
    const answer = answered(JSON.parse(line));
    if (answer) process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
