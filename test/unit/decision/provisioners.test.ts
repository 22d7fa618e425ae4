import { describe, expect, it } from 'vitest';
import { knownStrategy, provisionerKey } from '../../../shared/decision/provisioners.ts';
import { storageClass } from '../../support/build/storage.ts';

const of = (provisioner: string, parameters: Record<string, string> = {}) =>
  storageClass('x', { provisioner, parameters });

describe('the table of known provisioners', () => {
  it.each([
    [of('rbd.csi.ceph.com'), 'rbd.csi.ceph.com', 'csi-clone'],
    [of('pd.csi.storage.gke.io'), 'pd.csi.storage.gke.io', 'snapshot'],
    [of('pd.csi.storage.gke.io', { type: 'hyperdisk-balanced' }), 'pd.csi.storage.gke.io/hyperdisk', 'snapshot'],
    [of('topolvm.io'), 'topolvm.io', 'copy'],
    [of('ebs.csi.aws.com'), 'ebs.csi.aws.com', undefined],
    [of('pxd.portworx.com', { backend: 'pure_block' }), 'pxd.portworx.com/pure_block', 'csi-clone'],
    [of('pxd.portworx.com', { sharedv4_mount_options: 'vers=3.0,nolock' }), 'pxd.portworx.com/nfs', 'csi-clone'],
    [of('csi.trident.netapp.io', { backendType: 'ontap-nas-economy' }), 'csi.trident.netapp.io/ontap-nas', 'snapshot'],
    [of('csi.trident.netapp.io', { backendType: 'ontap-san' }), 'csi.trident.netapp.io/ontap-san', 'snapshot'],
    [of('csi.trident.netapp.io'), 'csi.trident.netapp.io', undefined],
    [
      of('csi.trident.netapp.io', { backendType: 'google-cloud-netapp-volumes', selector: 'performance=flex' }),
      'csi.trident.netapp.io/gcnv-flex',
      'snapshot',
    ],
    [of('infinibox-csi-driver', { storage_protocol: 'fc' }), 'infinibox-csi-driver/iscsiorfibrechannel', 'csi-clone'],
    [of('infinibox-csi-driver', { storage_protocol: 'nvme' }), 'infinibox-csi-driver/nvme', 'csi-clone'],
    [of('infinibox-csi-driver', { storage_protocol: 'nfs_treeq' }), 'infinibox-csi-driver/nfs', 'csi-clone'],
    [of('infinibox-csi-driver'), 'infinibox-csi-driver', undefined],
    [of('csi-powerstore.dellemc.com'), 'csi-powerstore.dellemc.com', 'copy'],
    [
      of('csi-powerstore.dellemc.com', { 'csi.storage.k8s.io/fstype': 'nfs' }),
      'csi-powerstore.dellemc.com/nfs',
      undefined,
    ],
    [of('csi.san.synology.com'), 'csi.san.synology.com/iscsi', 'csi-clone'],
    [of('csi.san.synology.com', { protocol: 'smb' }), 'csi.san.synology.com/smb', 'csi-clone'],
    [of('vpc.file.csi.ibm.io', { profile: 'dp2', vmState: 'true' }), 'vpc.file.csi.ibm.io/dp2-rwo', 'snapshot'],
    [of('vpc.file.csi.ibm.io', { profile: 'rfs' }), 'vpc.file.csi.ibm.io/rfs', 'snapshot'],
    [of('pxd.portworx.com', { backend: 'pure_fa_file' }), 'pxd.portworx.com/pure_fa_file', 'csi-clone'],
    [of('pxd.portworx.com', { sharedv4_mount_options: 'vers=3.0' }), 'pxd.portworx.com', 'csi-clone'],
    [of('pxd.portworx.com', { sharedv4_mount_options: 'nolock' }), 'pxd.portworx.com', 'csi-clone'],
    [of('csi.trident.netapp.io', { backendType: 'google-cloud-netapp-volumes' }), 'csi.trident.netapp.io', undefined],
    [of('csi.trident.netapp.io', { selector: 'performance=flex' }), 'csi.trident.netapp.io', undefined],
    [
      of('infinibox-csi-driver', { storage_protocol: 'iscsi' }),
      'infinibox-csi-driver/iscsiorfibrechannel',
      'csi-clone',
    ],
    [of('infinibox-csi-driver', { storage_protocol: 'nfs' }), 'infinibox-csi-driver/nfs', 'csi-clone'],
    [of('csi-vxflexos.dellemc.com', { 'csi.storage.k8s.io/fstype': 'nfs' }), 'csi-vxflexos.dellemc.com/nfs', undefined],
    [of('csi-powermax.dellemc.com', { 'csi.storage.k8s.io/fstype': 'nfs' }), 'csi-powermax.dellemc.com/nfs', undefined],
    [of('csi.san.synology.com', { protocol: 'nfs' }), 'csi.san.synology.com/nfs', 'csi-clone'],
    [of('csi.san.synology.com', { protocol: 'fc' }), 'csi.san.synology.com/iscsi', 'csi-clone'],
    [of('vpc.file.csi.ibm.io'), 'vpc.file.csi.ibm.io', 'snapshot'],
    [of('vpc.file.csi.ibm.io', { profile: 'dp2' }), 'vpc.file.csi.ibm.io/dp2', 'snapshot'],
    [of('vpc.file.csi.ibm.io', { profile: 'rfs', vmState: 'true' }), 'vpc.file.csi.ibm.io/rfs-rwo', 'snapshot'],
    [of('constructor'), 'constructor', undefined],
  ])('%#: %o', (given, key, strategy) => {
    expect(provisionerKey(given)).toBe(key);
    expect(knownStrategy(given)).toBe(strategy);
  });

  it.each([
    ['csi-clone', 'rbd.csi.ceph.com rook-ceph.rbd.csi.ceph.com openshift-storage.rbd.csi.ceph.com'],
    ['csi-clone', 'cephfs.csi.ceph.com rook-ceph.cephfs.csi.ceph.com openshift-storage.cephfs.csi.ceph.com'],
    ['csi-clone', 'csi.hpe.com block.csi.ibm.com spectrumscale.csi.ibm.com pxd.portworx.com kubesan.gitlab.io'],
    ['csi-clone', 'blockvolume.csi.oraclecloud.com csi-vxflexos.dellemc.com csi-isilon.dellemc.com'],
    ['csi-clone', 'csi-powermax.dellemc.com hspc.csi.hitachi.com'],
    ['snapshot', 'pd.csi.storage.gke.io vpc.file.csi.ibm.io'],
    ['copy', 'csi-powerstore.dellemc.com vpc.block.csi.ibm.io topolvm.cybozu.com topolvm.io'],
    [undefined, 'kubevirt.io.hostpath-provisioner nfs.csi.k8s.io linstor.csi.linbit.com driver.longhorn.io'],
    [undefined, 'ebs.csi.aws.com efs.csi.aws.com disk.csi.azure.com cinder.csi.openstack.org csi.vsphere.vmware.com'],
  ])('says %s, as CDI does, of %s', (strategy, provisioners) => {
    expect(new Set(provisioners.split(' ').map((name) => knownStrategy(of(name))))).toEqual(new Set([strategy]));
  });
});
