/** A template that cannot be parsed or executed; the message has Go's form, for scripts that look at it. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

/** Where in a template something stands. */
export interface Position {
  line: number;
  /** In bytes of UTF-16 from the start of the line, from 0, as Go counts. */
  column: number;
}

/** An error of parsing. */
export function parseError(name: string, at: Position, message: string): TemplateError {
  return new TemplateError(`template: ${name}:${at.line}: ${message}`);
}

/** An error of execution. */
export function executeError(name: string, at: Position, source: string, message: string): TemplateError {
  return new TemplateError(
    `template: ${name}:${at.line}:${at.column}: executing ${JSON.stringify(name)} at <${source}>: ${message}`,
  );
}
