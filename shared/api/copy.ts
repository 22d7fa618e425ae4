/**
 * What the controller and the program in the copy pod say to each other. The pod has no token and nobody to talk to: it is told by its
 * arguments and environment, tells its progress line by line on standard output, and its end in its termination message, which the kubelet
 * puts into the pod's status. Only where no node reaches both volumes are there two pods, which talk to each other and to nobody else.
 */

/**
 * `copy`: one pod has both volumes. `export`: has the source only, and hands it out until it gets SIGTERM; it tells no progress, and a
 * result only where it failed. `import`: has the destination only, and does with the source of the export pod what `copy` does with its own.
 */
export const copyRoles = ['copy', 'export', 'import'] as const;
export type CopyRole = (typeof copyRoles)[number];

/** TCP, of the export pod. TLS by the key alone. */
export const copyPort = 10_810;

/**
 * Where the key of the two pods is in both: the line `clonegate:<64 hexadecimal digits>`, as psktool of GnuTLS writes it. It has to be
 * readable for the user of the pod and for nobody else, and new for each try.
 */
export const copyKeys = { folder: '/keys', file: 'keys.psk', user: 'clonegate' } as const;

/** Folder that the export pod of a disk image can write to, in memory: qemu-nbd listens in it, for the program beside it. */
export const copySockets = '/run/clonegate';

/** Environment variable of the export pod that has its IP address, `status.podIP`: it listens there only. */
export const podAddressVariable = 'POD_IP';

/** `kubevirt`: one disk image, a device or the file `disk.img`. `archive`: a tree of files. CDI's names. */
export const contentTypes = ['kubevirt', 'archive'] as const;
export type ContentType = (typeof contentTypes)[number];

/** Where the volumes are in the pod: a folder for volumeMode Filesystem, a device for Block. */
export const copyPaths = {
  source: { Filesystem: '/source', Block: '/dev/source' },
  destination: { Filesystem: '/destination', Block: '/dev/destination' },
} as const;

/** Where the program writes its end; what `terminationMessagePath` of a container is by default. */
export const terminationLog = '/dev/termination-log';

/** The disk image in a volume of volumeMode Filesystem, where KubeVirt looks for it. */
export const diskImage = 'disk.img';

/** How KubeVirt's own processes run (user and group `qemu`); a disk image belongs to them. */
export const qemuId = 107;

/**
 * What a copy of a tree needs beside user 0, since it restores owners, modes, times and file capabilities that are not its own. A disk image
 * needs none and is copied as {@link qemuId}.
 */
export const archiveCapabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETFCAP'] as const;

/**
 * The same where a tree is only handed out: all of it is to be read, and rsync's daemon sets its groups, whatever they are, and locks itself
 * into the tree.
 */
export const exportCapabilities = ['DAC_OVERRIDE', 'SETGID', 'SYS_CHROOT'] as const;

/** One line on standard output, JSON, at most every second, beside the program's log lines: told apart by `"copy":"progress"`. */
export interface CopyProgress {
  readonly copy: 'progress';
  readonly step: 'copying' | 'verifying';
  /** Bytes gone over so far, holes included, and of how many; decimal, since they may be larger than what JSON numbers hold. */
  readonly done: string;
  readonly total: string;
  /** Bytes per second, lately. */
  readonly rate: number;
  /** Seconds that are left at this rate; absent when nobody can tell. */
  readonly remaining?: number;
}

/** Why a copy failed. What to do about each stands in the table of reasons. */
export const copyFailures = [
  /** The destination is full. */
  'CopyNoSpace',
  /** Reading or writing failed in the storage. */
  'CopyIOError',
  'CopyPermissionDenied',
  /** What is there is not what the content type says: no `disk.img`, a device node or a socket in a tree, an image in another format. */
  'CopyContentInvalid',
  /** The destination holds fewer bytes than the image has. */
  'CopyTargetTooSmall',
  /** What was read back is not what was read. */
  'CopyVerificationFailed',
  /** The export pod does not answer, answers without the key, or is gone. */
  'CopyPeerUnreachable',
  /** The tool ended in a way that it does not explain. */
  'CopyToolFailed',
] as const;
export type CopyFailure = (typeof copyFailures)[number];

/** The termination message, JSON, at most 4096 bytes. */
export type CopyResult =
  | {
      readonly outcome: 'succeeded';
      /** Bytes gone over. */
      readonly bytes: string;
      readonly seconds: number;
      /** `sha256:<hex>` of the content, where verification was asked for. */
      readonly digest?: string;
    }
  | {
      readonly outcome: 'failed';
      readonly reason: CopyFailure;
      /** One sentence, with the tool's own words in it; no line breaks, at most 1,000 characters. */
      readonly message: string;
      /** Of `CopyIOError`: the byte of the image where it happened, decimal; absent when the tool does not tell. */
      readonly offset?: string;
      /** Of `CopyIOError`: reading the source is all that failed, which says nothing against what was written. */
      readonly side?: 'source';
      /** Whether trying again could help. */
      readonly retry: boolean;
    };

/**
 * What the image's entry point, which is Node, is given before these: flags, and the program. It waits for tools and hashes in C, so code that is
 * made quicker is not worth the 10 MiB that the compilers take for it, and a small young generation does.
 */
export const copyProgram = [
  '--max-semi-space-size=1',
  '--no-opt',
  '--no-maglev',
  '--no-sparkplug',
  '--expose-gc',
  '/app/copy.mjs',
] as const;

/** The program's arguments, `--name=value`; flags are `true` or `false`. */
export const copyArguments = [
  /** One of {@link copyRoles}; `copy` when absent. */
  'role',
  /** IP address of the export pod; for the role `import`, and for no other. */
  'peer',
  /** One of {@link contentTypes}. */
  'content',
  /** `Filesystem` or `Block`; the paths follow from it. Each role needs that of the volumes that it has, and does not mind the other. */
  'source-mode',
  'destination-mode',
  /** Allocate every block instead of leaving holes. */
  'preallocation',
  /** Read the destination again and compare digests. */
  'verify',
  /** Bytes per second; 0 for no limit. */
  'bandwidth',
  /**
   * Bytes that a new `disk.img` is to be given, as far as its file system has them; the source's size where that is larger. 0 for the source's.
   */
  'image-size',
] as const;
