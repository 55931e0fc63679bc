/**
 * Matches a shell pattern (`*`, `?`, `[a-z]`, `[^a-z]`, never across a slash) against a path, part by part. A backslash
 * takes the meaning from the next character. Time is at most the product of both lengths, whatever the pattern.
 */
export function matchesGlob(pattern: string, path: string): boolean {
  const patterns = pattern.split('/');
  const parts = path.split('/');
  return (
    patterns.length === parts.length && patterns.every((one, index) => matchesPart(one, parts[index] ?? ''))
  );
}

/** Only the last star ever has to be tried anew: it can take whatever an earlier one would have. */
function matchesPart(pattern: string, part: string): boolean {
  const tokens = pattern.match(/\[[!^]?[^\]!^][^\]]*\]|\\.|[^]/gu) ?? [];
  const characters = [...part];
  let [token, at, star, mark] = [0, 0, -1, 0];
  while (at < characters.length) {
    if (tokens[token] === '*') {
      star = token++;
      mark = at;
    } else if (matchesOne(tokens[token], characters[at] ?? '')) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++mark;
    } else {
      return false;
    }
  }
  while (tokens[token] === '*') token++;
  return token === tokens.length;
}

function matchesOne(token: string | undefined, character: string): boolean {
  if (token === undefined || token === '*') return false;
  if (token === '?') return true;
  if (token.startsWith('\\')) return (token.slice(1) || '\\') === character;
  if (!token.startsWith('[') || token === '[') return token === character;
  const negated = token.startsWith('[^') || token.startsWith('[!');
  const ranges = token.slice(negated ? 2 : 1, -1).match(/[^]-[^]|[^]/gu) ?? [];
  const inside = ranges.some((range) => {
    const [first = '', , last = first] = [...range];
    return first <= character && character <= last;
  });
  return inside !== negated;
}
