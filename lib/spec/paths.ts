/** The path without empty parts, `.` and `..`, by text alone; `..` of the root is the root. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The number of parts of a clean path. */
export function pathDepth(path: string): number {
  return path === '/' ? 0 : path.split('/').length - 1;
}

/** Whether a clean path is the directory or below it. */
export function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

/**
 * Matches a shell pattern (`*`, `?`, `[a-z]`, never across a slash) against a path, in time linear in both but for the
 * stars.
 */
export function matchesGlob(pattern: string, path: string): boolean {
  const source = pattern.replace(
    /\[(\^?)([^\]/\\]+)\]|[\\^$.|?*+()[\]{}]/g,
    (token, negated?: string, set?: string) => {
      if (set !== undefined) return `[${negated ?? ''}${set.replace(/[[\]\\^]/g, '\\$&')}]`;
      return token === '*' ? '[^/]*' : token === '?' ? '[^/]' : `\\${token}`;
    },
  );
  try {
    return new RegExp(`^${source}$`, 'u').test(path);
  } catch {
    return false;
  }
}
