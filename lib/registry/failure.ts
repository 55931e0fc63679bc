import { VainaError, type ErrorCode } from '../errors.js';
import { quote } from '../util/text.js';

/** Thrown inside where a failure may pass: another try is worth it. */
export class Passing extends Error {
  /** What is reported when no try is left. */
  readonly failure: VainaError;
  /** Milliseconds that the registry wants us to wait. */
  readonly after: number | undefined;

  constructor(failure: VainaError, after?: number) {
    super(failure.message);
    this.failure = failure;
    this.after = after;
  }
}

/** System errors of a connection that may pass. */
const PASSING = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNABORTED',
  'EAI_AGAIN',
  'ENETRESET',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_REQUEST_STALLED',
]);

/** A URL fit for messages: no query, which may hold a signature, and no user. */
export function publicUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/**
 * The failure of a connection, as {@link Passing} if it may pass. The error of the HTTP library is not kept as the
 * cause: it holds the headers of the request, and so the credentials.
 */
export function connectionFailure(error: unknown, url: URL): Error {
  if (VainaError.is(error) || error instanceof Passing) return error;
  const { code = '', message } = rootOf(error);
  const tls = isTlsFailure(code);
  const failure = new VainaError(
    'ERR_REGISTRY_UNREACHABLE',
    `${publicUrl(url)} cannot be reached: ${describe(code, message)}`,
    {
      subject: url.host,
      ...(/^E[A-Z]+$/.test(code) && { errno: code }),
      ...(tls && {
        hint: 'put its CA in a certDir, or set tlsVerify to false for a registry that you trust anyway',
      }),
      cause: Object.assign(new Error(message), { code }),
    },
  );
  return PASSING.has(code) ? new Passing(failure) : failure;
}

/** Whether the other side does not speak TLS, or its certificate is not trusted. */
function isTlsFailure(code: string): boolean {
  return /CERT|SIGNATURE|^EPROTO$|^ERR_SSL|^ERR_TLS|UNABLE_TO/.test(code);
}

/** Whether somebody has answered, but not by TLS. */
export function spokeNoTls(error: unknown): boolean {
  const { code = '', message = '' } = ((error as Error).cause ?? {}) as Partial<NodeJS.ErrnoException>;
  return /wrong.version.number/i.test(`${code} ${message}`);
}

function rootOf(error: unknown): { code?: string; message: string } {
  let at = error as { code?: string; message: string; cause?: unknown; errors?: unknown[] };
  // A host with several addresses gives one error for each; the library wraps what it gets.
  for (let depth = 0; depth < 4; depth++) {
    const inner = at.errors?.[0] ?? at.cause;
    if (!(inner instanceof Error)) break;
    at = inner;
  }
  return at;
}

function describe(code: string, message: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ENOTFOUND':
      return 'no such host';
    case 'ECONNRESET':
      return 'connection reset';
    case 'EPROTO':
      return 'it does not speak TLS';
    case 'ERR_REQUEST_STALLED':
      return message;
    default:
      return code === '' ? quote(message) : `${code}: ${quote(message)}`;
  }
}

/** Most characters of what a registry says that go into a message. */
const MAX_SAID = 500;

/**
 * The error for an answer with a status that was not wanted. Statuses that may pass (408, 429, 5xx) come as
 * {@link Passing}.
 *
 * @param missing - the code for 404
 */
export function statusFailure(
  answer: { status: number; url: URL; retryAfter: string | undefined },
  body: Buffer,
  missing: ErrorCode,
): Error {
  const { status, url } = answer;
  const said = spoken(body);
  const code: ErrorCode =
    status === 401 || status === 403 ? 'ERR_UNAUTHORIZED' : status === 404 ? missing : 'ERR_REGISTRY';
  const failure = new VainaError(
    code,
    `${publicUrl(url)} answered with ${status}${said === '' ? '' : `: ${said}`}`,
    {
      subject: url.host,
      ...(status === 401 && { hint: 'give credentials, or log in' }),
      ...(status === 413 && { hint: 'upload in smaller pieces, by the option chunkSize' }),
    },
  );
  if (status === 408 || status === 429 || (status >= 500 && status !== 501))
    return new Passing(failure, delayOf(answer.retryAfter));
  return failure;
}

/** What a registry says in its error body (distribution-spec, error codes), as one line, in the words of distribution. */
export function spoken(body: Buffer): string {
  try {
    const parsed = JSON.parse(body.toString('utf8')) as {
      errors?: { code?: unknown; message?: unknown }[];
    } | null;
    const { code, message } = parsed?.errors?.[0] ?? {};
    const kind = typeof code === 'string' ? code.toLowerCase().replaceAll('_', ' ') : undefined;
    const words = [kind, message].filter((word) => typeof word === 'string' && word !== '').join(': ');
    // Control characters of a registry do not reach somebody's terminal.
    return quote(words.replace(/\s+/g, ' ')).slice(1, -1).slice(0, MAX_SAID);
  } catch {
    return '';
  }
}

/** Retry-After in milliseconds: a number of seconds, or a date. */
function delayOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^[0-9]{1,6}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
