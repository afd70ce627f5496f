import { VARIABLES } from '../../src/config';

/** The configuration table as README must have it. */
export function configTable(): string {
  const rows = Object.entries(VARIABLES).map(
    ([name, { shown, about, secret }]) =>
      `| \`${name}\` | ${shown} | ${about}${secret === true ? ' Secret.' : ''} |`,
  );
  return ['| variable | default | what it is |', '| --- | --- | --- |', ...rows].join('\n');
}

/** .env.example as it must be: every variable, commented out, with its meaning. */
export function envExample(): string {
  const entries = Object.entries(VARIABLES).map(
    ([name, { shown, about }]) => `# ${about} Default: ${shown}.\n#${name}=`,
  );
  return [
    '# Copy to .env and uncomment what you need: npm start, the worker and the server read it. Every variable has a default.',
    '# Temporal is configured by TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_* and profile files.',
    ...entries,
    '',
  ].join('\n\n');
}
