import { buildImage } from './build.ts';

export { type BuiltImage, buildAgain, buildImage, type Origin } from './build.ts';

/**
 * The image of this checkout, built when nobody has yet, for whoever runs pods.
 * @returns `archive`, a tar of an OCI layout (`ctr images import`, `skopeo copy oci-archive:…`), and the `reference` by which a pod names
 * what was imported from it. It is in no registry: `imagePullPolicy: Never`, or `IfNotPresent`.
 * @throws Error of one line when Debian's packages for building it are missing and cannot be installed.
 */
export async function ensureImage(): Promise<{ readonly archive: string; readonly reference: string }> {
  const { archive, reference } = await buildImage();
  return { archive, reference };
}
