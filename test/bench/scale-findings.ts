import type { Benched } from './benched.ts';
import type { Memory } from './proc.ts';
import type { Table } from './report.ts';
import { sum } from './stats.ts';

/** From what the benchmark of large clusters measured to its tables, and to what must hold. Pure. */

/** One program, started beside so many virtual machines. */
export interface Standing {
  readonly program: Benched;
  readonly machines: number;
  /** Milliseconds from its start until it was ready. */
  readonly took: number;
  /** Milliseconds of CPU until it was idle. */
  readonly cpu: number;
  /** When it was. */
  readonly busy: Memory;
  /** When it had had nothing to do for a while, and V8 and malloc have given back what they had taken for the lists. */
  readonly memory: Memory;
  /** What it asked of the API server from its start until it was idle, and in the time after that in which it had nothing to do. */
  readonly asked: ReadonlyMap<string, number>;
  readonly after: ReadonlyMap<string, number>;
}

/** MiB: what each may hold with 10,000 DataVolumes, 20,000 claims and 20,000 pods. */
export const budgets: Readonly<Record<Benched, number>> = { webhook: 100, controller: 250 };

export function tablesOf(standings: readonly Standing[]): readonly Table[] {
  return [
    {
      title:
        'From the start until it is idle (resident MiB: then, later, of that its own; requests: all kinds, of them lists; after: when idle)',
      columns: [
        '',
        'machines',
        'ready ms',
        'CPU ms',
        'MiB',
        'later',
        'own',
        'most',
        'budget',
        'KiB each',
        'requests',
        'lists',
        'after',
      ],
      rows: standings.map((standing) => rowOf(standings, standing)),
    },
  ];
}

function rowOf(standings: readonly Standing[], standing: Standing): Table['rows'][number] {
  const { program, machines, took, cpu, busy, memory, asked, after } = standing;
  const empty = standings.find((other) => other.program === program && other.machines === 0);
  const each = machines === 0 || empty === undefined ? undefined : (memory.now - empty.memory.now) * (1024 / machines);
  const times = [machines, Math.round(took), Math.round(cpu)];
  const requests = [countIn(asked, ''), countIn(asked, 'list '), countIn(after, '')];
  const held = [busy.now, memory.now, memory.own, memory.peak];
  return [program, ...times, ...held, budgets[program], each, ...requests];
}

function countIn(requests: ReadonlyMap<string, number>, verb: string): number {
  return sum([...requests].filter(([kind]) => kind.startsWith(verb)).map(([, count]) => count));
}

const writes: ReadonlySet<string> = new Set(['create', 'update', 'patch', 'delete']);
/** What a program may write beside clones that are finished: that it leads, and who may trust it. */
const own: ReadonlySet<string> = new Set([
  'leases',
  'secrets',
  'configmaps',
  'events',
  'subjectaccessreviews',
  'selfsubjectaccessreviews',
  'mutatingwebhookconfigurations',
  'validatingwebhookconfigurations',
]);

/** Clones that are finished cost nothing: they are listed once, and nothing is written to them. */
export function failuresOf(standings: readonly Standing[]): readonly string[] {
  return standings.flatMap(({ program, machines, asked, after }) => {
    const where = `${program} beside ${machines} virtual machines`;
    const written = [...asked, ...after].filter(([kind]) => {
      const [verb = '', resource = ''] = kind.split(' ');
      return writes.has(verb) && !own.has(resource);
    });
    const lists = countIn(after, 'list ');
    return [
      ...written.map(([kind, count]) => `${where} sent ${count} ${kind}, though nothing was to be done`),
      ...(lists === 0 ? [] : [`${where} listed ${lists} times when it was idle`]),
    ];
  });
}
