import { createElector, LeadershipLost } from '../../../shared/kube/lease.ts';
import { systemClock } from '../../../shared/process/clock.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { clientOf } from './client.ts';

/** One contender as a process: `elector.ts <kubeconfig> <namespace> <identity>`; tells on stdout when it leads and how it ended. */

const [kubeconfig = '', namespace = '', identity = ''] = process.argv.slice(2);
const client = await clientOf(kubeconfig);
const elector = createElector({
  client,
  clock: systemClock,
  random: Math.random,
  log: createLogger({ level: 'silent', name: 'elector' }),
  namespace,
  name: 'leader',
  identity,
  leaseDuration: 8000,
  renewDeadline: 7000,
  retryPeriod: 500,
});
try {
  await elector.run(new AbortController().signal, async (lost) => {
    console.log('leads');
    await new Promise<void>((resolve) => {
      lost.addEventListener('abort', () => resolve());
    });
  });
} catch (error) {
  console.log(error instanceof LeadershipLost ? 'lost' : String(error));
}
await client.close();
