/** The programs that an installation runs. */
export const benched = ['webhook', 'controller'] as const;
export type Benched = (typeof benched)[number];
