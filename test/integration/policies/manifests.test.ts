import { describe, expect, test } from 'vitest';
import { cloneSourcerRole, groups, reservedAnnotations, sourceSubresource } from '../../../shared/api/names.ts';
import { readPolicies, renderPolicies } from '../../support/policies.ts';

/** What the manifests say, held against the tables in code. */

const text = await renderPolicies();
const manifests = await readPolicies();
const policies = manifests.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy');
const expressions = policies.map(({ spec }) =>
  [...(spec.matchConditions ?? []), ...(spec.variables ?? []), ...(spec.validations ?? [])].map(
    ({ expression }) => expression,
  ),
);
const [source = [], guard = []] = expressions;

describe('the policies', () => {
  test('guard the annotations that are reserved, no more and no fewer', () => {
    const [, listed = ''] = /(\[[^\]]*\])\.filter\(key/.exec(guard.join('\n')) ?? [];
    expect(JSON.parse(listed.replaceAll("'", '"'))).toEqual(reservedAnnotations);
  });

  test('ask for the right that the webhook asks for', () => {
    const { group, resource, subresource, verb } = sourceSubresource;
    const asked = `authorizer.group('${group}').resource('${resource}').subresource('${subresource}')`;
    expect(source.join('\n')).toMatch(
      new RegExp(`${asked.replaceAll(/[.()]/g, String.raw`\$&`)}[^]*check\\('${verb}'\\)`),
    );
    expect(text).toContain(`--clusterrole=${cloneSourcerRole} `);
  });

  test('put no two questions to the authorizer into one expression, which would cost too much', () => {
    const questions = expressions.flat().map((expression) => expression.split('.check(').length - 1);
    expect(Math.max(...questions)).toBe(1);
    expect(questions.filter((count) => count === 1)).toHaveLength(3);
  });

  test('are bound each by its own name, refuse, and tell the audit log', () => {
    const names = ['clonegate-clone-source', 'clonegate-guard-annotations'];
    expect(policies.map(({ metadata }) => metadata.name)).toEqual(names);
    const bindings = manifests.filter(({ kind }) => kind === 'ValidatingAdmissionPolicyBinding');
    expect(bindings.map(({ metadata, spec }) => ({ name: metadata.name, ...spec }))).toEqual(
      names.map((name) => ({ name, policyName: name, validationActions: ['Deny', 'Audit'] })),
    );
  });

  test('refuse what they cannot evaluate, and say something even when the message cannot be evaluated', () => {
    expect(policies.map(({ spec }) => spec.failurePolicy)).toEqual(['Fail', 'Fail']);
    const messages = policies.flatMap(({ spec }) => (spec.validations ?? []).map(({ message = '' }) => message));
    for (const message of messages) expect(message).toMatch(/^[A-Z]\w+: ./);
  });

  test('speak of datavolumes alone', () => {
    const rules = [...text.matchAll(/apiGroups: (.*)\n.*\n.*\n\s+resources: (.*)/g)];
    expect(rules.map(([, group, resources]) => [group, resources])).toEqual([
      [`[${groups.cdi}]`, '[datavolumes]'],
      [`[${groups.cdi}]`, '[datavolumes]'],
    ]);
  });
});
