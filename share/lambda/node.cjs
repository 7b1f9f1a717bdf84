/* Runs a Node function over the Lambda Runtime API: CommonJS and ES modules, async handlers and
 * callbacks, errors in Lambda's form.
 *
 * Descriptor 3 is the runtime API. An answer and the wish for the next event go out in one piece, and
 * the acknowledgement of the answer comes back in one piece with the next event. */
'use strict';
const fs = require('fs');
const net = require('net');
const path = require('path');
const { format } = require('util');
const { pathToFileURL } = require('url');
const Module = require('module');

const API = '/2018-06-01/runtime/';
const NEXT = `GET ${API}invocation/next HTTP/1.1\r\nHost: lambda\r\n\r\n`;
const env = process.env;
let current = null; /* the invocation that runs */

/* Each call has a trace of its own, and glibc keeps every value that a variable ever had: only who reads
 * the variable is told the trace, and the environment itself keeps one value. */
const TRACE = '_X_AMZN_TRACE_ID';
env[TRACE] = '';
process.env = new Proxy(env, {
  get: (target, name) => (name === TRACE ? (current ? current.trace : '') : target[name]),
  getOwnPropertyDescriptor: (target, name) => {
    const own = Reflect.getOwnPropertyDescriptor(target, name);
    if (own && name === TRACE) own.value = current ? current.trace : '';
    return own;
  },
  set: (target, name, value) => {
    target[name] = value;
    return true;
  },
});

/* ---- the log ---- */

function print(text) {
  for (let bytes = Buffer.from(text); bytes.length;) {
    try {
      bytes = bytes.subarray(fs.writeSync(1, bytes));
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
    }
  }
}

function log(level, ...values) {
  const text = format(...values).replace(/\n/g, '\r');
  print(`${new Date().toISOString()}\t${current ? current.id : 'undefined'}\t${level}\t${text}\n`);
}
console.log = (...values) => log('INFO', ...values);
console.info = (...values) => log('INFO', ...values);
console.debug = (...values) => log('DEBUG', ...values);
console.trace = (...values) => log('TRACE', ...values);
console.warn = (...values) => log('WARN', ...values);
console.error = (...values) => log('ERROR', ...values);

/* ---- SDKs that are too old to know AWS_ENDPOINT_URL ---- */

const load = Module._load;
const told = new WeakSet();
function tell(AWS) {
  if (AWS && AWS.config && typeof AWS.config.update === 'function' && !told.has(AWS) && env.AWS_ENDPOINT_URL) {
    told.add(AWS);
    AWS.config.update({ endpoint: env.AWS_ENDPOINT_URL, s3ForcePathStyle: true });
  }
}
Module._load = function (request, parent, ...more) {
  const loaded = load.call(this, request, parent, ...more);
  if (request === 'aws-sdk' || request === 'aws-sdk/global') tell(loaded);
  else if (/^aws-sdk\/clients\//.test(request)) tell(load.call(this, 'aws-sdk/global', parent));
  return loaded;
};

/* ---- what goes out ---- */

/* What is read lands in one buffer and is copied only when it is a part of a piece. */
const socket = new net.Socket({
  fd: 3, readable: true, writable: true,
  onread: { buffer: Buffer.allocUnsafeSlow(64 * 1024), callback: (size, buffer) => received(buffer.subarray(0, size)) },
});
let received = () => false; /* the handler is not there yet: nothing was asked for */

function post(where, body, type) {
  const kind = type ? `Lambda-Runtime-Function-Error-Type: ${type}\r\n` : '';
  return `POST ${API}${where} HTTP/1.1\r\nHost: lambda\r\nContent-Type: application/json\r\n${kind}` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function describe(error) {
  if (error instanceof Error || (error && error.stack && error.message !== undefined)) {
    return {
      errorType: String(error.name || 'Error'),
      errorMessage: String(error.message),
      trace: String(error.stack || '').split('\n'),
    };
  }
  return { errorType: typeof error, errorMessage: error === undefined ? 'undefined' : format(error), trace: [] };
}
const headerSafe = (text) => text.replace(/[^\x20-\x7e]/g, ' ').slice(0, 256);

function answer(invocation, body) {
  if (invocation.ended) return;
  invocation.ended = true;
  current = null;
  socket.ref();
  socket.write(post(`invocation/${invocation.id}/response`, body) + NEXT);
}

function succeed(invocation, result) {
  let body;
  try {
    body = result === undefined ? 'null' : JSON.stringify(result);
    if (body === undefined) body = 'null';
  } catch (error) {
    const unfit = new Error(`Unable to stringify response body: ${error.message}`);
    unfit.name = 'Runtime.UnserializableResponse';
    fail(invocation, unfit);
    return;
  }
  answer(invocation, body);
}

function fail(invocation, error) {
  if (invocation.ended) return;
  const said = describe(error);
  log('ERROR', 'Invoke Error', JSON.stringify({ ...said, stack: said.trace, trace: undefined }));
  invocation.ended = true;
  current = null;
  socket.ref();
  socket.write(post(`invocation/${invocation.id}/error`, JSON.stringify(said), headerSafe(said.errorType)) + NEXT);
}

/* What nobody caught ends the process, as at AWS. */
function die(error) {
  const said = describe(error);
  log('ERROR', 'Uncaught Exception', JSON.stringify({ ...said, stack: said.trace, trace: undefined }));
  const where = current ? `invocation/${current.id}/error` : 'init/error';
  socket.write(post(where, JSON.stringify(said), headerSafe(said.errorType)), () => process.exit(129));
}
process.on('uncaughtException', die);
process.on('unhandledRejection', (reason) => {
  const error = new Error(reason instanceof Error ? `${reason.name}: ${reason.message}` : format(reason));
  error.name = 'Runtime.UnhandledPromiseRejection';
  if (reason instanceof Error) error.stack = reason.stack;
  die(error);
});

/* ---- one invocation ---- */

class Context {
  constructor(invocation) {
    this.callbackWaitsForEmptyEventLoop = true;
    this.functionVersion = env.AWS_LAMBDA_FUNCTION_VERSION;
    this.functionName = env.AWS_LAMBDA_FUNCTION_NAME;
    this.memoryLimitInMB = env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE;
    this.logGroupName = env.AWS_LAMBDA_LOG_GROUP_NAME;
    this.logStreamName = env.AWS_LAMBDA_LOG_STREAM_NAME;
    this.clientContext = undefined;
    this.identity = undefined;
    this.invokedFunctionArn = invocation.arn;
    this.awsRequestId = invocation.id;
    this.getRemainingTimeInMillis = () => Math.max(invocation.deadline - Date.now(), 0);
    this.done = (error, result) => settle(invocation, error, result);
    this.succeed = (result) => settle(invocation, null, result, true);
    this.fail = (error) => settle(invocation, error === undefined || error === null ? 'handled' : error, null, true);
  }
}

/* callback(error, result): at once, or when nothing is left to do in the event loop. */
function settle(invocation, error, result, atOnce) {
  if (invocation.settled) return;
  invocation.settled = true;
  invocation.finish = error !== null && error !== undefined ? () => fail(invocation, error)
    : () => succeed(invocation, result);
  if (atOnce || !invocation.context.callbackWaitsForEmptyEventLoop) setImmediate(invocation.finish);
}

/* The socket is not counted while a handler runs, so this comes when the handler's own work is done. */
process.on('beforeExit', () => {
  if (!current) return;
  const invocation = current;
  if (invocation.finish) invocation.finish();
  else succeed(invocation, null);
});

function run(handler, invocation, body) {
  let event, result;
  current = invocation;
  invocation.context = new Context(invocation);
  socket.unref();
  try {
    event = JSON.parse(body);
    result = handler(event, invocation.context, (error, value) => settle(invocation, error, value));
  } catch (error) {
    fail(invocation, error);
    return;
  }
  if (result && typeof result.then === 'function')
    result.then((value) => succeed(invocation, value), (error) => fail(invocation, error));
}

/* ---- what comes in ---- */

function headOf(text) {
  const head = { status: Number(text.slice(9, 12)), fields: {} };
  for (let at = text.indexOf('\r\n'); at >= 0;) {
    const end = text.indexOf('\r\n', at + 2);
    const line = text.slice(at + 2, end < 0 ? undefined : end);
    const colon = line.indexOf(': ');
    if (colon > 0) head.fields[line.slice(0, colon).toLowerCase()] = line.slice(colon + 2);
    at = end;
  }
  return head;
}

function listen(handler) {
  let pending = null;
  received = (bytes) => {
    pending = pending ? Buffer.concat([pending, bytes]) : bytes;
    while (pending) {
      const end = pending.indexOf('\r\n\r\n');
      if (end < 0) break;
      const head = headOf(pending.latin1Slice(0, end));
      const size = Number(head.fields['content-length'] || 0);
      if (pending.length < end + 4 + size) break;
      const body = head.status === 200 ? pending.utf8Slice(end + 4, end + 4 + size) : '';
      pending = pending.length > end + 4 + size ? pending.subarray(end + 4 + size) : null;
      if (head.status !== 200) continue;
      run(handler, {
        id: head.fields['lambda-runtime-aws-request-id'],
        arn: head.fields['lambda-runtime-invoked-function-arn'],
        trace: head.fields['lambda-runtime-trace-id'],
        deadline: Number(head.fields['lambda-runtime-deadline-ms']),
        ended: false, settled: false, finish: null, context: null,
      }, body);
    }
    if (pending === bytes || (pending && pending.buffer === bytes.buffer)) pending = Buffer.from(pending);
    return true;
  };
  socket.on('close', () => process.exit(0));
  socket.on('error', () => process.exit(0));
  socket.write(NEXT);
}

/* ---- the handler ---- */

function trouble(type, message, cause) {
  const error = new Error(message);
  error.name = type;
  if (cause && cause.stack) error.stack = cause.stack;
  return error;
}

/* Is a .js file here an ES module? The nearest package.json says. */
function isModule(file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const found = path.join(folder, 'package.json');
    if (fs.existsSync(found)) {
      try {
        return JSON.parse(fs.readFileSync(found, 'utf8')).type === 'module';
      } catch {
        return false;
      }
    }
    if (folder === path.dirname(folder)) return false;
  }
}

async function loadModule(root, name) {
  const base = path.resolve(root, name);
  for (const end of ['', '.js', '.mjs', '.cjs']) {
    const file = base + end;
    if (!fs.existsSync(file) || !fs.statSync(file).isFile()) continue;
    return end === '.mjs' || file.endsWith('.mjs') || (file.endsWith('.js') && isModule(file))
      ? import(pathToFileURL(file).href) : require(file);
  }
  throw trouble('Runtime.ImportModuleError', `Error: Cannot find module '${path.basename(name)}'\nRequire stack:\n- ${root}`);
}

async function loadHandler() {
  const root = env.LAMBDA_TASK_ROOT, whole = env._HANDLER || '';
  const folder = path.dirname(whole), base = path.basename(whole), dot = base.indexOf('.');
  if (dot <= 0 || whole.includes('..')) throw trouble('Runtime.MalformedHandlerName', 'Bad handler');
  let found;
  try {
    found = await loadModule(root, path.join(folder, base.slice(0, dot)));
  } catch (error) {
    if (error instanceof SyntaxError) throw trouble('Runtime.UserCodeSyntaxError', `SyntaxError: ${error.message}`, error);
    if (error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND'))
      throw trouble('Runtime.ImportModuleError', `Error: ${error.message}`, error);
    throw error;
  }
  const names = base.slice(dot + 1).split('.');
  const reach = (from) => names.reduce((at, name) => (at === undefined || at === null ? undefined : at[name]), from);
  const handler = reach(found) || reach(found.default);
  if (typeof handler !== 'function')
    throw trouble('Runtime.HandlerNotFound', `${whole} is undefined or not exported`);
  return handler;
}

loadHandler().then(listen, die);
