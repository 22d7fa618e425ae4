import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { cacheRoot } from '../cluster/cache.ts';
import { ensureHelm, type Major } from './binaries.ts';

/** The chart as helm renders it: what tests and the demo apply is what an administrator would install. */

export const chartFolder = fileURLToPath(new URL('../../../charts/clonegate', import.meta.url));
/** Where everything that has a namespace is, with the chart's defaults and our tests'. */
export const releaseNamespace = 'clonegate-system';

export interface RenderOptions {
  /** Default 4. */
  readonly helm?: Major;
  /** Files of values. */
  readonly files?: readonly string[];
  /** As `--set` takes them, or with `key=json:…` as `--set-json` does. */
  readonly set?: readonly string[];
  /** Default: what the helm program was built for. */
  readonly kubeVersion?: string;
  /** `group/version/Kind`, beside what every cluster has. */
  readonly apiVersions?: readonly string[];
  /** Paths below templates/; default all. */
  readonly only?: readonly string[];
}

/** A rendered object, as far as every object is alike. */
export interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

export interface Helmed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs helm, which reads and writes nothing of the user's own; a code that is not 0 is in the answer, not thrown. */
export async function runHelm(args: readonly string[], major: Major = 'helm4', env = {}): Promise<Helmed> {
  const helm = await ensureHelm(major);
  const home = join(cacheRoot(process.env), 'helm-home');
  const own = { HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home, KUBECONFIG: '/dev/null' };
  const { PATH, HOME } = process.env;
  const options = { env: { PATH, HOME, ...own, ...env }, maxBuffer: 64 * 1024 * 1024 };
  return await new Promise((resolve) => {
    execFile(helm, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, stdout, stderr: error === null ? stderr : stderr || error.message });
    });
  });
}

/** Arguments that say what is rendered, for `helm template` and `helm install` alike. */
export function valueArgs({ files = [], set = [] }: Pick<RenderOptions, 'files' | 'set'>): readonly string[] {
  return [
    ...files.flatMap((file) => ['--values', file]),
    ...set.flatMap((each) => (each.includes('=json:') ? ['--set-json', each.replace('=json:', '=')] : ['--set', each])),
  ];
}

/** The text that `helm template` gives, comments included. @throws Error with what helm says. */
export async function renderText(options: RenderOptions = {}): Promise<string> {
  const { helm, kubeVersion, apiVersions = [], only = [] } = options;
  const args = [
    'template',
    'clonegate',
    chartFolder,
    `--namespace=${releaseNamespace}`,
    ...valueArgs(options),
    ...(kubeVersion === undefined ? [] : ['--kube-version', kubeVersion]),
    ...apiVersions.flatMap((each) => ['--api-versions', each]),
    ...only.flatMap((path) => ['--show-only', `templates/${path}`]),
  ];
  const { code, stdout, stderr } = await runHelm(args, helm);
  if (code !== 0) throw new Error(`helm template: ${stderr.trim()}`);
  return stdout;
}

/** The objects of the same. @throws Error with what helm says. */
export async function renderChart(options: RenderOptions = {}): Promise<readonly Rendered[]> {
  return objectsOf(await renderText(options));
}

/** All objects of a YAML text. @throws Error when it is not YAML. */
export function objectsOf(text: string): readonly Rendered[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    const object = document.toJS() as Rendered | null;
    return object === null ? [] : [object];
  });
}
