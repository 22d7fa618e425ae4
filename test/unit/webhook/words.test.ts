import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, denialOf, oneLine, quote, shellQuote } from '../../../webhook/words.ts';

const asked = { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora', field: 'spec.source.pvc' } as const;

/** The command that a refusal ends with. */
function commandFor(username: string): string | undefined {
  return /kubectl create .*$/su.exec(denialOf(username, asked))?.[0];
}

describe('the command that grants the right', () => {
  it('names a user', () => {
    expect(commandFor('jane@example.com')).toBe(
      'kubectl create rolebinding clone-from-golden-jane-example-com --clusterrole=clonegate-clone-sourcer --user=jane@example.com -n golden',
    );
  });

  it('names a ServiceAccount as kubectl does', () => {
    expect(commandFor('system:serviceaccount:ci:builder')).toBe(
      'kubectl create rolebinding clone-from-golden-ci-builder --clusterrole=clonegate-clone-sourcer --serviceaccount=ci:builder -n golden',
    );
  });

  it.each([
    "O'Reilly; rm -rf /",
    '$(reboot)',
    '`reboot`',
    'a b',
    '-n kube-system',
    '"',
    '\\',
    'system:serviceaccount:ci:builder --user=admin',
    'ünï',
  ])('is one word in a shell for %s', (username) => {
    const command = commandFor(username) ?? '';
    const words = execFileSync('/bin/sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' })
      .trimEnd()
      .split('\n');
    expect(words).toHaveLength(8);
    expect(words[5]).toBe(`--user=${username}`);
    expect(words[3]).toMatch(/^clone-from-golden-[a-z0-9-]+$/);
  });

  it.each(['two\nlines', 'turned\u202Earound', 'zero\u200Bwidth', '\uD800', 'x'.repeat(300), "'".repeat(250)])(
    'is left out for a name that cannot be typed, and the role named instead (%j)',
    (username) => {
      expect(commandFor(username)).toBeUndefined();
      expect(denialOf(username, asked)).toMatch(/can grant it by the ClusterRole clonegate-clone-sourcer$/);
    },
  );

  it('is whole or not there, and all fits into the note of an event', () => {
    const strange = fc.oneof(fc.constantFrom("'", '"', 'ü', '💾', 'a'), fc.string({ unit: 'binary', maxLength: 3 }));
    fc.assert(
      fc.property(strange, fc.nat({ max: 400 }), fc.integer({ min: 1, max: 253 }), (unit, times, length) => {
        const named = { ...asked, namespace: 'n'.repeat(63), name: 'x'.repeat(length) };
        const text = denialOf(unit.repeat(times), named);
        expect(text).toMatch(/(?: -n n{63}| by the ClusterRole clonegate-clone-sourcer)$/);
        if (text.includes('kubectl')) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(920);
      }),
    );
  });

  it('is there for names as long as people and programs have them', () => {
    const account = `system:serviceaccount:${'n'.repeat(63)}:${'a'.repeat(63)}`;
    const longest = { ...asked, namespace: 'n'.repeat(63), name: 'x'.repeat(63) };
    for (const username of ['jane.doe@accounts.engineering.example.com', account])
      expect(denialOf(username, longest)).toMatch(/kubectl create rolebinding .* -n n+$/);
  });
});

describe("strangers' texts", () => {
  it('never break a line and are never longer than told', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), fc.nat({ max: 300 }), (text, length) => {
        expect(oneLine(text)).not.toMatch(/[\r\n\u2028\u2029\u202A-\u202E]/u);
        expect(cut(text, length + 1).length).toBeLessThanOrEqual(length + 1);
        expect(quote(text).length).toBeLessThan(1600);
        expect(denialOf(text, { ...asked, name: text })).not.toContain('\n');
      }),
    );
  });

  it('are never cut in the middle of a character', () => {
    expect(cut('a💾b', 3)).toBe('a…');
    expect(cut('💾💾', 3)).toBe('💾…');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), fc.integer({ min: 1, max: 60 }), (text, length) => {
        expect(cut(text, length).isWellFormed()).toBe(true);
      }),
    );
  });

  it('cannot leave the quotes of a shell', () => {
    expect(shellQuote("it's")).toBe(String.raw`'it'\''s'`);
  });
});
