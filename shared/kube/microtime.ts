/** `metav1.MicroTime` of a moment in milliseconds since the epoch; the API server insists on exactly six digits of a second. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
