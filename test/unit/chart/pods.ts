import type { Program } from '../../../shared/process/settings-table.ts';
import type { Rendered } from '../../support/helm/chart.ts';

/** Our programs as the chart's Deployments, Jobs and Pods start them. */

interface Container {
  readonly command: readonly string[];
  readonly args: readonly string[];
}

interface PodSpec {
  readonly containers: readonly Container[];
}

export interface Started {
  /** `Kind name`. */
  readonly name: string;
  readonly program: Program;
  readonly flags: readonly string[];
}

export function programsIn(objects: readonly Rendered[]): readonly Started[] {
  return objects.flatMap((object) => {
    const [container] = podSpecOf(object)?.containers ?? [];
    if (container === undefined) return [];
    const program = /^\/app\/(webhook|controller|hooks)\.mjs$/.exec(container.command[1] ?? '')?.[1];
    if (program === undefined) throw new Error(`${object.metadata.name} starts no program of ours`);
    return [{ name: `${object.kind} ${object.metadata.name}`, program: program as Program, flags: container.args }];
  });
}

function podSpecOf({ kind, ...object }: Rendered): PodSpec | undefined {
  if (kind === 'Pod') return object['spec'] as PodSpec;
  if (kind !== 'Deployment' && kind !== 'Job') return undefined;
  return (object['spec'] as { readonly template: { readonly spec: PodSpec } }).template.spec;
}
