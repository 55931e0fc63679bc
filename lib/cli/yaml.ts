const PLAIN = /^[A-Za-z/][\w./+@-]*( [\w./+@()-]+)*$/;
const RESERVED = /^(true|false|yes|no|on|off|null|y|n|~)$/i;

/** Writes plain data as YAML, keys in order of the alphabet, as `podman info` does. */
export function yaml(value: unknown, indent = ''): string {
  if (Array.isArray(value)) {
    return value.map((item) => `${indent}- ${nested(item, `${indent}  `).trimStart()}`).join('');
  }
  return Object.entries(value as object)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => {
      const list = Array.isArray(item) && item.length > 0;
      const text = nested(item, list ? indent : `${indent}  `);
      return `${indent}${scalar(key)}:${isTree(item) ? '\n' : ' '}${text}`;
    })
    .join('');
}

function isTree(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && !(value instanceof Date) && Object.keys(value).length > 0
  );
}

function nested(value: unknown, indent: string): string {
  if (isTree(value)) return yaml(value, indent);
  if (Array.isArray(value)) return '[]\n';
  if (value instanceof Date) return `${JSON.stringify(value.toISOString())}\n`;
  return `${typeof value === 'object' && value !== null ? '{}' : scalar(value)}\n`;
}

function scalar(value: unknown): string {
  if (typeof value !== 'string') return String(value);
  // A JSON string is a YAML string.
  return PLAIN.test(value) && !RESERVED.test(value) ? value : JSON.stringify(value);
}
