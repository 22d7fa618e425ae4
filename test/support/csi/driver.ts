import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../../shared/process/clock.ts';
import { cloneFile, detectCloneMethod } from './clone.ts';
import { controllerService } from './controller.ts';
import { createFaultInjector } from './faults.ts';
import { identityService } from './identity.ts';
import { deviceFile, publicationsFolder } from './layout.ts';
import { loopsOfVolume } from './loops.ts';
import { createMedia } from './medium.ts';
import { nodeService } from './node.ts';
import type { DriverOptions } from './options.ts';
import { openPool } from './pool.ts';
import { openPublications } from './publications.ts';
import { quiesced, thawAll } from './quiesce.ts';
import { startRegistration } from './registration.ts';
import { startServer } from './server.ts';

/** Puts the parts together and serves; the line that begins with `listening` says that calls are answered from now on. */
export async function startDriver(
  { endpoint, pool: folder, proto, faults, features, registration }: DriverOptions,
  clock: Clock,
  log: (line: string) => void,
): Promise<{ stop(): Promise<void> }> {
  await mkdir(folder, { recursive: true });
  await mkdir(dirname(endpoint), { recursive: true });
  await thawAll(folder);
  const method = await detectCloneMethod(folder);
  const pool = await openPool(folder, {
    clock,
    copy: (from, to) => quiesced(from, () => cloneFile(method, from, to)),
    inUse: async (file) => (await loopsOfVolume(file)).length > 0,
  });
  const publications = await openPublications(publicationsFolder(folder, features.node));
  const server = await startServer({
    endpoint,
    proto,
    services: {
      Identity: identityService(features),
      Controller: controllerService(pool, features),
      Node: nodeService({
        pool,
        publications,
        features,
        clock,
        deviceFile: (id) => deviceFile(folder, features.node, id),
        media: createMedia(faults, clock),
      }),
    },
    faults: createFaultInjector(faults, clock),
    clock,
    log,
  });
  const registered =
    registration === undefined
      ? undefined
      : await startRegistration(registration, { endpoint, name: features.name }, log);
  log(`listening on ${endpoint} as ${features.name}, pool ${folder}, clones by ${method}`);
  return {
    stop: async () => {
      await registered?.stop();
      await server.stop();
    },
  };
}
