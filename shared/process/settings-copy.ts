import { row } from './settings-row.ts';
import { amounts, bool, duration, integer, labels, list, quantity, text, tolerations } from './values.ts';

/** Settings of copies and of the pods that make them. */

const controller = ['controller'] as const;

export const copyRows = {
  copyImage: row(
    controller,
    text,
    'Image of the pod that copies the bytes of a clone; of the same version as the controller.',
    {
      fallback: 'clonegate',
    },
  ),
  copyRequests: row(controller, amounts, 'What a copy pod requests.', { fallback: { cpu: '100m', memory: '64Mi' } }),
  copyLimits: row(controller, amounts, 'What a copy pod may use at most.', { fallback: { cpu: '2', memory: '512Mi' } }),
  copyPriorityClass: row(controller, text, "PriorityClass of copy pods; empty: the cluster's default.", {
    fallback: '',
  }),
  copyPriorityClasses: row(
    controller,
    list,
    'PriorityClasses that a DataVolume may choose for its copy pod instead; what it asks for beyond these is not heeded.',
    { fallback: [] },
  ),
  copyNodeSelector: row(controller, labels, 'Labels of the nodes that copy pods may run on.', { fallback: {} }),
  copyTolerations: row(controller, tolerations, 'Taints that copy pods tolerate.', { fallback: [] }),
  copyBandwidth: row(controller, quantity, 'Bytes per second that one copy may read; 0: any number.', { fallback: 0n }),
  copyVerify: row(
    controller,
    bool,
    'Read every copy again and compare digests, unless the DataVolume says otherwise.',
    { fallback: false },
  ),
  copyNetwork: row(
    controller,
    bool,
    'Copy by two pods, over the network, where no node reaches both volumes; false: such a copy waits for a node that does.',
    { fallback: true },
  ),
  copyNetworkAfter: row(
    controller,
    duration(0),
    'The same after so long without a node, where the scheduler does not say that none will ever reach both.',
    { fallback: 300_000 },
  ),
  copyRetries: row(controller, integer(0, 1000), 'How often a copy that failed is begun anew.', { fallback: 5 }),
  copyBackoff: row(
    controller,
    duration(0),
    'Time before a copy is begun anew; twice as long each further time, up to five minutes.',
    { fallback: 10_000 },
  ),
  copiesPerStorageClass: row(
    controller,
    integer(0, 100_000),
    'Copies into one StorageClass that are under way at the same time; 0: any number.',
    { fallback: 10 },
  ),
  copiesPerNode: row(
    controller,
    integer(0, 100_000),
    'Copies that one node works on at the same time; 0: any number.',
    { fallback: 5 },
  ),
  copyProgressInterval: row(
    controller,
    duration(1000),
    'How often a running copy is asked how far it is; each time is a request to its kubelet by way of the API server.',
    { fallback: 5000 },
  ),
} as const;
