import { open } from 'node:fs/promises';

/** audit.k8s.io/v1 Event at level Metadata, as far as tests look at it. */
export interface AuditEvent {
  readonly auditID: string;
  /** One of a request's stages; an ordinary request has `ResponseComplete` only, a watch `ResponseStarted` too. */
  readonly stage: 'ResponseStarted' | 'ResponseComplete' | 'Panic';
  readonly requestURI: string;
  readonly verb: string;
  readonly user: { readonly username: string; readonly groups?: readonly string[] };
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number; readonly reason?: string };
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** One line a request: what, who and with which answer, without bodies. RequestReceived would only say it twice. */
export const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
};

/**
 * Reads an audit log, each line once: it grows to tens of thousands, and tests look at it again and again.
 * @returns a function that gives all events so far. A line that is still being written is left for the next call.
 */
export function auditReader(file: string): () => Promise<readonly AuditEvent[]> {
  const events: AuditEvent[] = [];
  let offset = 0;
  const readOn = async (): Promise<readonly AuditEvent[]> => {
    const added = await readFrom(file, offset);
    const complete = added.subarray(0, added.lastIndexOf('\n') + 1);
    offset += complete.length;
    const lines = complete.toString().split('\n');
    for (const line of lines) if (line !== '') events.push(JSON.parse(line) as AuditEvent);
    return [...events];
  };
  let last: Promise<unknown> = Promise.resolve();
  return async () => {
    // One after the other: each goes on where the one before it has stopped.
    const reading = last.then(readOn, readOn);
    last = reading;
    return await reading;
  };
}

async function readFrom(file: string, offset: number): Promise<Buffer> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - offset), 0, size - offset, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Tells those that came at a moment (milliseconds since 1970) or later: what was asked before may be written down later. */
export function cameSince(begin: number): (event: AuditEvent) => boolean {
  return ({ requestReceivedTimestamp }) => Date.parse(requestReceivedTimestamp) >= begin;
}

const writing: ReadonlySet<string> = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);
/** What is written beside the work: what is told, who leads; and questions, which are put by a create but change nothing. */
const beside: ReadonlySet<string> = new Set(['events', 'leases', 'subjectaccessreviews', 'localsubjectaccessreviews']);

/** Whether it changes an object that somebody works with. */
export function isWrite({ verb, objectRef }: AuditEvent): boolean {
  return writing.has(verb) && !beside.has(objectRef?.resource ?? '');
}

/** `verb resource/subresource`. */
export function wordsOf({ verb, objectRef }: AuditEvent): string {
  const { resource = 'other', subresource } = objectRef ?? {};
  return `${verb} ${subresource === undefined ? resource : `${resource}/${subresource}`}`;
}
