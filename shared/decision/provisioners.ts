import { type Strategy, strategies } from '../api/names.ts';
import type { StorageClass } from '../api/objects.ts';

/**
 * What is known of drivers whose cloning is better (or worse) than their snapshots, for clusters where nobody has said it in a
 * StorageProfile. The keys are CDI's (cdi-behaviour 5), so that a cluster that comes from CDI chooses as before. Drivers that are not
 * listed take `snapshot` where a VolumeSnapshotClass exists.
 */
const known: Readonly<Record<Strategy, readonly string[]>> = {
  'csi-clone': [
    'rbd.csi.ceph.com',
    'rook-ceph.rbd.csi.ceph.com',
    'openshift-storage.rbd.csi.ceph.com',
    'cephfs.csi.ceph.com',
    'rook-ceph.cephfs.csi.ceph.com',
    'openshift-storage.cephfs.csi.ceph.com',
    'csi.hpe.com',
    'block.csi.ibm.com',
    'spectrumscale.csi.ibm.com',
    'pxd.portworx.com',
    'pxd.portworx.com/nfs',
    'pxd.portworx.com/pure_block',
    'pxd.portworx.com/pure_fa_file',
    'infinibox-csi-driver/iscsiorfibrechannel',
    'infinibox-csi-driver/nvme',
    'infinibox-csi-driver/nfs',
    'blockvolume.csi.oraclecloud.com',
    'csi-vxflexos.dellemc.com',
    'csi-isilon.dellemc.com',
    'csi-powermax.dellemc.com',
    'hspc.csi.hitachi.com',
    'kubesan.gitlab.io',
    'csi.san.synology.com/iscsi',
    'csi.san.synology.com/nfs',
    'csi.san.synology.com/smb',
  ],
  snapshot: [
    'pd.csi.storage.gke.io',
    'pd.csi.storage.gke.io/hyperdisk',
    'vpc.file.csi.ibm.io',
    'vpc.file.csi.ibm.io/dp2',
    'vpc.file.csi.ibm.io/dp2-rwo',
    'vpc.file.csi.ibm.io/rfs',
    'vpc.file.csi.ibm.io/rfs-rwo',
    'csi.trident.netapp.io/ontap-nas',
    'csi.trident.netapp.io/ontap-san',
    'csi.trident.netapp.io/gcnv-flex',
  ],
  copy: ['csi-powerstore.dellemc.com', 'vpc.block.csi.ibm.io', 'topolvm.cybozu.com', 'topolvm.io'],
};

const byKey: ReadonlyMap<string, Strategy> = new Map(
  strategies.flatMap((strategy) => known[strategy].map((key) => [key, strategy] as const)),
);

type Parameters = Readonly<Record<string, string>>;

const nfsType = ({ 'csi.storage.k8s.io/fstype': type }: Parameters): string => (type === 'nfs' ? '/nfs' : '');

/** Drivers whose key depends on the parameters of the class, because one driver serves storage of several kinds. */
const suffixes: Readonly<Record<string, (parameters: Parameters) => string>> = {
  'pxd.portworx.com': ({ backend, sharedv4_mount_options: mount = '' }) => {
    if (backend === 'pure_block' || backend === 'pure_fa_file') return `/${backend}`;
    return mount.includes('vers=3.0') && mount.includes('nolock') ? '/nfs' : '';
  },
  'csi.trident.netapp.io': ({ backendType = '', selector = '' }) => {
    if (backendType.startsWith('ontap-nas')) return '/ontap-nas';
    if (backendType.startsWith('ontap-san')) return '/ontap-san';
    return backendType === 'google-cloud-netapp-volumes' && selector.includes('performance=flex') ? '/gcnv-flex' : '';
  },
  'infinibox-csi-driver': ({ storage_protocol: protocol = '' }) => {
    if (protocol === 'iscsi' || protocol === 'fc') return '/iscsiorfibrechannel';
    if (protocol === 'nvme') return '/nvme';
    return protocol === 'nfs' || protocol === 'nfs_treeq' ? '/nfs' : '';
  },
  'csi-powerstore.dellemc.com': nfsType,
  'csi-vxflexos.dellemc.com': nfsType,
  'csi-powermax.dellemc.com': nfsType,
  'pd.csi.storage.gke.io': ({ type = '' }) => (type.startsWith('hyperdisk-balanced') ? '/hyperdisk' : ''),
  'csi.san.synology.com': ({ protocol = 'iscsi' }) =>
    protocol === 'smb' || protocol === 'nfs' ? `/${protocol}` : '/iscsi',
  'vpc.file.csi.ibm.io': ({ profile = '', vmState }) =>
    profile === 'rfs' || profile === 'dp2' ? `/${profile}${vmState === 'true' ? '-rwo' : ''}` : '',
};

/** The key under which the table knows the storage of a class: its provisioner, where needed with the kind of storage behind it. */
export function provisionerKey({ provisioner, parameters = {} }: StorageClass): string {
  const suffix = Object.hasOwn(suffixes, provisioner) ? suffixes[provisioner] : undefined;
  return `${provisioner}${suffix?.(parameters) ?? ''}`;
}

/** What the table says of the storage of a class; undefined when it is not listed. */
export function knownStrategy(storageClass: StorageClass): Strategy | undefined {
  return byKey.get(provisionerKey(storageClass));
}
