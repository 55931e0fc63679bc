/** One way in which a server wants to be shown who asks (RFC 9110 §11.6.1). */
export interface Challenge {
  /** Lower case, e.g. `bearer`. */
  scheme: string;
  /** Names in lower case. */
  params: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const SPACE = /[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\[^])*)"/y;

/** Parses a WWW-Authenticate header. What does not follow the grammar ends it; what came before counts. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (!match) return undefined;
    at = pattern.lastIndex;
    return match[1] ?? match[0];
  };
  let params: Map<string, string> | undefined;
  while (at < header.length) {
    take(SPACE);
    if (header[at] === ',') {
      at++;
      continue;
    }
    const word = take(TOKEN);
    if (word === undefined) break;
    const afterWord = at;
    take(SPACE);
    if (header[at] === '=' && params) {
      at++;
      take(SPACE);
      const value = header[at] === '"' ? take(QUOTED)?.replace(/\\([^])/g, '$1') : take(TOKEN);
      if (value === undefined) break;
      // The first counts: a later one could only be there to confuse.
      if (!params.has(word.toLowerCase())) params.set(word.toLowerCase(), value);
      continue;
    }
    params = new Map();
    challenges.push({ scheme: word.toLowerCase(), params });
    if (at > afterWord) take(TOKEN68);
  }
  return challenges;
}
