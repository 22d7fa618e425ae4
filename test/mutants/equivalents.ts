/** Changes that mean the same as the program, so that no test can notice them. Each with the reason; it must name a mutant to the letter. */
export const equivalents: readonly { readonly file: string; readonly what: string; readonly why: string }[] = [];
