import { BlockList, isIP } from 'node:net';
import { VainaError } from '../errors.js';

/** A proxy as axios wants to be told of it. */
export interface Proxy {
  protocol: 'http' | 'https';
  host: string;
  port: number;
  auth?: { username: string; password: string };
}

/**
 * The proxy for a URL by the environment: `https_proxy` or `HTTPS_PROXY`, `http_proxy` or `HTTP_PROXY`, unless
 * `no_proxy` or `NO_PROXY` names the host. As at the peers, the loopback is never asked through a proxy.
 *
 * @throws VainaError `ERR_INVALID_OPTION` when the variable holds no http or https URL
 */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): Proxy | undefined {
  const scheme = url.protocol === 'https:' ? 'https' : 'http';
  const variable = [`${scheme}_proxy`, `${scheme}_proxy`.toUpperCase()].find(
    (name) => (env[name] ?? '') !== '',
  );
  if (variable === undefined) return undefined;
  const noProxy = env['no_proxy'] ?? env['NO_PROXY'] ?? '';
  if (isDirect(url, noProxy)) return undefined;
  const text = env[variable] ?? '';
  const proxy = readProxy(text.includes('://') ? text : `http://${text}`);
  // The value may hold a password, so it is not shown.
  if (!proxy)
    throw new VainaError(
      'ERR_INVALID_OPTION',
      `the environment variable ${variable} is no http or https URL`,
    );
  return proxy;
}

function readProxy(text: string): Proxy | undefined {
  try {
    const url = new URL(text);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
    const protocol = url.protocol === 'https:' ? 'https' : 'http';
    const username = decodeURIComponent(url.username);
    return {
      protocol,
      host: bare(url.hostname),
      port: Number(url.port) || (protocol === 'https' ? 443 : 80),
      ...(username !== '' && { auth: { username, password: decodeURIComponent(url.password) } }),
    };
  } catch {
    return undefined;
  }
}

function isDirect(url: URL, noProxy: string): boolean {
  const host = bare(url.hostname).toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  if (host === 'localhost' || host.endsWith('.localhost') || isLoopback(host)) return true;
  return noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => covers(entry.toLowerCase(), host, port));
}

/** Whether an entry of NO_PROXY covers a host: `*`, an address, a network, a domain; with an optional port. */
function covers(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return inNetwork(entry, host);
  const match = /^(\[[0-9a-f:.]+\]|[^:]+)(?::([0-9]+))?$/.exec(entry);
  const name = match ? bare(match[1] ?? '') : entry;
  if (match?.[2] !== undefined && match[2] !== port) return false;
  if (isIP(name) !== 0) return name === host;
  const domain = name.replace(/^\*?\./, '');
  // A leading dot means what is below the domain, not the domain itself.
  return host.endsWith(`.${domain}`) || (name === domain && host === domain);
}

function inNetwork(network: string, host: string): boolean {
  const [address = '', prefix = ''] = network.split('/', 2);
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family || !/^[0-9]{1,3}$/.test(prefix)) return false;
  if (Number(prefix) > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(address, Number(prefix), type);
  return list.check(host, type);
}

function isLoopback(host: string): boolean {
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}
