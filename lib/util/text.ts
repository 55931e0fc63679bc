/** Text from outside, made fit for a message: quoted, control characters escaped, cut at 120 characters. */
export function quote(text: unknown): string {
  const whole = typeof text === 'string' ? text : String(text);
  return JSON.stringify(whole.length > 120 ? `${whole.slice(0, 120)}…` : whole);
}
