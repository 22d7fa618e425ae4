/**
 * `metav1.MicroTime` of a moment in milliseconds since the epoch; the API server insists on exactly six digits of a second.
 * `micros` (0 to 999) are the last three of them, which our clock does not know.
 */
export function microTime(ms: number, micros = 0): string {
  return new Date(ms).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`);
}
