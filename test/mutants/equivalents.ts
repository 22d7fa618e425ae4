/** A change that means the same as the program, so that no test can notice it. */
export interface Equivalent {
  readonly file: string;
  /** To the letter, as `make mutants` prints it. */
  readonly what: string;
  readonly why: string;
}

function inFile(file: string, rows: readonly (readonly [what: string, why: string])[]): readonly Equivalent[] {
  return rows.map(([what, why]) => ({ file, what, why }));
}

const named = 'the API server stores no object without a name; the empty text is for the type alone';
const smallerThanNothing = 'no comparison with undefined holds, so the question is answered already';

export const equivalents: readonly Equivalent[] = [
  ...inFile('shared/decision/rules.ts', [
    ["deferrals: 'SourceNotBound' before 'SourceNotFound'", 'a source is in one state, so that never both fail'],
    ["refusals: (veto?.field) for veto?.field ?? 'spec.source'", 'the field is asked for only when there is a veto'],
    [
      'noVolumeExpansion: (capacity < requested) for capacity !== undefined && requested !== undefined && capacity < requested',
      smallerThanNothing,
    ],
    [
      'noVolumeExpansion: (capacity !== undefined) for capacity !== undefined && requested !== undefined',
      smallerThanNothing,
    ],
    [
      'noVolumeExpansion: (requested !== undefined) for capacity !== undefined && requested !== undefined',
      smallerThanNothing,
    ],
  ]),
  ...inFile('shared/decision/decide.ts', [
    [
      'choose: (takesSnapshot) for takesSnapshot && snapshotClass !== undefined',
      'without a class, snapshot is not possible for a claim',
    ],
    [
      'standing: strategy === target.wanted before strategy !== chosen',
      'where one is wanted and something is chosen, the wanted one is chosen',
    ],
  ]),
  ...inFile('shared/decision/gather.ts', [
    ["preference: (storageClass.metadata.name) for storageClass.metadata.name ?? ''", named],
    ["chooseSnapshotClass: (a.metadata.name) for a.metadata.name ?? ''", named],
    ["chooseSnapshotClass: (b.metadata.name) for b.metadata.name ?? ''", named],
    ['chooseSnapshotClass: false for name === undefined', 'no profile is called undefined'],
    [
      'chooseSnapshotClass: (wanted === named(source.storageClass)) for wanted !== undefined && wanted === named(source.storageClass)',
      'no VolumeSnapshotClass is called undefined',
    ],
  ]),
  ...inFile('shared/decision/sizes.ts', [
    [
      'sourceSize: (capacity === undefined) for requested === undefined || capacity === undefined',
      'nothing is smaller than the capacity, so that the comparison gives it all the same',
    ],
    ['larger: (other > size) for other !== undefined && other > size', smallerThanNothing],
    ['larger: other >= size for other > size', 'of two that are equal, either'],
  ]),
  ...inFile('shared/decision/target.ts', [
    ['renderTarget: false for storageClassName === undefined', 'no profile is called undefined'],
    ['sizes: (smallest > needed) for smallest !== undefined && smallest > needed', smallerThanNothing],
    ['sizes: smallest >= needed for smallest > needed', 'of two that are equal, either'],
    ['smallestOf: false for text === undefined', 'nothing is no quantity either, and raises nothing'],
    ['smallestOf: true for error instanceof QuantityError', 'reading a text as a quantity throws nothing else'],
    ["newestThenName: (a.metadata.name) for a.metadata.name ?? ''", named],
    ["newestThenName: (b.metadata.name) for b.metadata.name ?? ''", named],
  ]),
  ...inFile('shared/decision/fallback.ts', [
    [
      'asAdmitted: (standing?.record.strategy === undefined) for decision === undefined || standing?.record.strategy === undefined',
      'without a decision there is no standing',
    ],
    ['admittedText: (parseObject(decision)) for parseObject(decision) ?? {}', 'only a record that was read comes here'],
    [
      "isFallback: (typeof message === 'string') for isStrategy(from) && isStrategy(to) && typeof message === 'string'",
      'triedIn takes no strategies but those of the decision',
    ],
    ['isFallback: (isStrategy(from)) for isStrategy(from) && isStrategy(to)', 'as before'],
    ['isFallback: (isStrategy(to)) for isStrategy(from) && isStrategy(to)', 'as before'],
  ]),
  ...inFile('shared/trust/match.ts', [
    [
      'digestOf: (decided[annotations.cloneType]) for decided[annotations.cloneType] ?? null',
      'JSON writes undefined in a list as null',
    ],
    [
      'digestOf: (decided[annotations.decision]) for decided[annotations.decision] ?? null',
      'JSON writes undefined in a list as null',
    ],
  ]),
  ...inFile('shared/trust/claims.ts', [
    [
      "seconds: (!Number.isSafeInteger(value)) for typeof value !== 'number' || !Number.isSafeInteger(value)",
      'only a number is a safe integer',
    ],
  ]),
  ...inFile('shared/trust/stamp.ts', [
    ["keyFor: true for typeof id === 'string'", 'keys are called by texts, so that nothing else finds one'],
    ["read: (protectedHeader.kid) for protectedHeader.kid ?? ''", 'a stamp without a kid has found no key'],
  ]),
  ...inFile('webhook/shape.ts', [
    [
      "faultAt: (keys.pop()) for keys.pop() ?? ''",
      'a text that is split has a last part; the empty one is for the type alone',
    ],
    ["normalize: true for isObject(object['metadata'])", 'a review of an object without metadata is malformed'],
  ]),
  ...inFile('webhook/stamping.ts', [
    ['annotate: (volume.metadata.annotations) for volume.metadata.annotations ?? {}', 'what is ours is in annotations'],
    [
      "annotate: (error.code === 'StampTooLarge') for error instanceof StampError && error.code === 'StampTooLarge'",
      'no other error has that code',
    ],
    ['isOurs: true for error instanceof StampError', 'verifyStamp throws nothing else'],
    ["decidedAnnotations: true for decision.outcome === 'chosen'", 'no other decision has a strategy'],
  ]),
  ...inFile('webhook/stamped.ts', [
    ['verified: false for !(error instanceof StampError)', 'verifyStamp throws nothing else'],
  ]),
  ...inFile('webhook/update.ts', [
    [
      "neededNotClone: ((metadata['deletionTimestamp'] ?? null) !== null) for isObject(metadata) && (metadata['deletionTimestamp'] ?? null) !== null",
      'a review of an object without metadata is malformed',
    ],
    ['askForOnce: false for about.source === undefined', 'nobody has the right to a source that was not found'],
  ]),
  ...inFile('webhook/spec.ts', [
    ['bytesOf: true for error instanceof QuantityError', 'reading a text as a quantity throws nothing else'],
    [
      'checkCopy: (bytesOf(bandwidth)) for bytesOf(bandwidth) ?? 0n',
      'nothing is not more than 0; the 0 is for the type',
    ],
  ]),
  ...inFile('webhook/taken.ts', [
    [
      "adopts: (metadata.annotations?.[annotations.allowClaimAdoption]) for metadata.annotations?.[annotations.allowClaimAdoption] ?? ''",
      'nothing is no truth value either; the empty text is for the type alone',
    ],
  ]),
  ...inFile('controller/copy/verdict.ts', [
    ["disruption: (target?.reason) for target?.reason ?? ''", 'no disruption is called undefined'],
    [
      "isCopyFailure: ((copyFailures as readonly string[]).includes(value)) for typeof value === 'string' && (copyFailures as readonly string[]).includes(value)",
      'texts are all that the list holds',
    ],
  ]),
  ...inFile('controller/copy/record.ts', [
    [
      "historyOf: (metadata.annotations?.[annotations.copy]) for metadata.annotations?.[annotations.copy] ?? ''",
      'undefined is no JSON either; the empty text is for the type alone',
    ],
    [
      "attemptOf: (metadata.annotations?.[annotations.copyAttempt]) for metadata.annotations?.[annotations.copyAttempt] ?? ''",
      'undefined is no number either; the empty text is for the type alone',
    ],
    [
      "copiedOf: (metadata.annotations?.[annotations.copied]) for metadata.annotations?.[annotations.copied] ?? ''",
      'undefined is no JSON either; the empty text is for the type alone',
    ],
  ]),
  ...inFile('controller/mover/failure.ts', [
    [
      "fromErrno: (error instanceof Error) for error instanceof Error && 'code' in error",
      'no errno is called undefined',
    ],
    ['retryOf: false for retry === undefined', 'what is usual also stands in for undefined'],
  ]),
  ...inFile('controller/mover/image/plan.ts', [
    ['progressIn: (whole === undefined) for whole === undefined || fraction === undefined', 'both are found, or none'],
    [
      'progressIn: (fraction === undefined) for whole === undefined || fraction === undefined',
      'both are found, or none',
    ],
  ]),
  ...inFile('shared/decision/sizes.ts', [
    [
      "imageSize: (source.volumeMode) for source.volumeMode ?? 'Filesystem'",
      'every mode but Block is reckoned as a filesystem',
    ],
  ]),
];
