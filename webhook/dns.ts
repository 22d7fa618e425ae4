/** The forms that names of Kubernetes objects have (RFC 1123). Whatever has another form is no name of anything that exists. */

const label = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/u;

/** RFC 1123 subdomain: what names of claims, snapshots, DataSources and classes are. Also keeps `..` out of paths. */
export function isName(text: unknown): text is string {
  return typeof text === 'string' && text.length <= 253 && text.split('.').every((part) => label.test(part));
}

/** RFC 1123 label, as names of namespaces are. */
export function isNamespace(text: unknown): text is string {
  return typeof text === 'string' && text.length <= 63 && label.test(text);
}
